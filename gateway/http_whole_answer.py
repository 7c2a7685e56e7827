"""The head of an answer leaves together with the beginning of its body: one write, one packet. So a gateway that dies
leaves no head without a body behind it: a balancer has all of a small answer, or nothing and asks another gateway."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.http_answers import CLOSE, Message

_CONTINUE: Final = b"HTTP/1.1 100 "
"""Not yet the answer's head: its caller waits for it before sending the body."""


class WholeAnswer(asyncio.Transport):
    """The transport of one answer to anything but HEAD: uvicorn writes a head, then at least one part of a body, which
    may be empty."""

    __slots__ = ("_head", "_is_past_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._is_past_head = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """Hold the head back until there is a body."""
        if self._is_past_head:
            self._transport.write(data)
        elif self._head:
            self._is_past_head = True
            self._transport.write(self._head + data)
        elif data.startswith(_CONTINUE):
            self._transport.write(data)
        else:
            self._head = data

    def is_closing(self) -> bool:
        """As the connection's."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close the connection. A head whose body could not be made is not sent."""
        self._transport.close()


class WholeSend:
    """The `send` of a short request: head and body in one step. uvicorn's looks at each header by itself."""

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: Any) -> None:
        """`cycle`: uvicorn's of this request, let go of with the answer: the two would keep each other alive."""
        self._cycle = cycle
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Hold the head back until there is a body. Raises RuntimeError where the messages make no whole answer."""
        start, cycle = self._start, self._cycle
        if cycle is None or (start is None) != (message["type"] == "http.response.start") or message.get("more_body"):
            raise RuntimeError(f"{message['type']} does not belong to one whole answer")
        if start is None:
            self._start, cycle.response_started = message, True
            return
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        self._cycle = None
        if cycle.disconnected:
            return
        headers = [*cycle.default_headers, *start["headers"]]
        if CLOSE in headers:
            cycle.keep_alive = False
        elif not cycle.keep_alive:
            headers.append(CLOSE)
        lines = [b"%b: %b\r\n" % header for header in headers]
        head = STATUS_LINE[start["status"]] + b"".join(lines)
        if head.count(b"\n") != len(lines) + 1:
            raise RuntimeError("a header holds the end of a line")
        body = b"" if cycle.scope["method"] == "HEAD" else message.get("body", b"")
        cycle.transport.write(b"%b\r\n%b" % (head, body))
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
