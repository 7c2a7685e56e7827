"""The head of an answer leaves together with the beginning of its body: one write, one packet. So a gateway that dies
leaves no head without a body behind it: a balancer has all of a small answer, or nothing and asks another gateway."""

import asyncio
from typing import Final

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
