"""The HTTP of the public port: uvicorn's on llhttp, with what is missing against those who do not play by its rules:
bounds of size and time for headers, one `Host`, one framing, and no answer that belongs to another request."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Final, NoReturn

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from contracts.clock import monotonic_s
from contracts.problems import HEADERS_TOO_LARGE, HEADERS_TOO_SLOW, MALFORMED_REQUEST, MEDIA_TYPE
from gateway.http_answers import BODY, TRANSPORT, Endpoint
from gateway.http_untasked import Untasked
from gateway.http_whole_answer import WholeAnswer, WholeSend
from gateway.problem import Problem

HEADERS_BYTES_MAX: Final = 32 * 1024
"""Four of the longest tokens. Browsers and balancers send some 2 KB."""
SWEEP_S: Final = 0.25
"""How often connections are looked through for headers that take too long: 10,000 of them cost a ms."""
_MALFORMED: Final = Problem(MALFORMED_REQUEST, "This is not a request as RFC 9112 has it.")
_TOO_LARGE: Final = Problem(HEADERS_TOO_LARGE, f"The headers may have at most {HEADERS_BYTES_MAX} bytes.")


class _Refused(Exception):
    """Ends the parsing of a request; the parser hands it on as an error of its own."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_since_s: float | None = None
        """When the headers that are under way began; None between them."""
        self._is_in_head = True
        self._head_bytes = 0
        self._why = _MALFORMED
        self._is_ending = False
        self._untasked: Mapping[tuple[str, str], Endpoint] = getattr(self.app, "untasked", {})
        """By method and path, what carries requests out that need no task."""

    def connection_made(self, transport: Any) -> None:
        """The headers are due from now on."""
        self._head_since_s = monotonic_s()
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse, unless the headers have grown too large without an end."""
        if self._is_ending:
            return
        if self._is_in_head:
            if self._head_since_s is None:
                self._head_since_s = monotonic_s()
            # What came with the piece before and belonged to a body is not counted, nor is the piece that ends them.
            was_in_head, self._head_bytes = True, self._head_bytes + len(data)
        else:
            was_in_head = False
        super().data_received(data)
        if was_in_head and self._is_in_head and self._head_bytes > HEADERS_BYTES_MAX:
            self._why = _TOO_LARGE
            self.send_400_response(self._why.detail)

    def on_headers_complete(self) -> None:
        """Go on with a request whose headers are as they should be. Raises _Refused."""
        self._is_in_head, self._head_since_s, self._head_bytes = False, None, 0
        self._judge_head()
        self.scope[TRANSPORT] = self.transport  # type: ignore[typeddict-unknown-key]
        super().on_headers_complete()

    def _judge_head(self) -> None:
        size, hosts, framings = len(self.url), 0, 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
                if not _is_host(value):
                    raise _Refused
            elif name == b"content-length":
                framings += 1
            elif name == b"transfer-encoding":
                framings += 1
                if value.lower() != b"chunked":
                    raise _Refused
        if size > HEADERS_BYTES_MAX:
            self._why = _TOO_LARGE
            raise _Refused
        version = self.parser.get_http_version()
        if hosts > 1 or (version != "1.0" and not (version == "1.1" and hosts)):
            raise _Refused
        # Two readers that choose differently between two framings would see different requests (RFC 9112 §11.2).
        if framings > 1:
            raise _Refused

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """Begin with a request. One that needs no task waits for the loop's next turn, when all that came with its
        headers is parsed."""
        scope = cycle.scope
        endpoint = self._untasked.get((scope["method"], scope["path"]))
        if endpoint is None:
            self._start_task(cycle, app)
        else:
            self.loop.call_soon(self._begin, cycle, endpoint)

    def _begin(self, cycle: Any, endpoint: Endpoint) -> None:
        if cycle.more_body:
            self._start_task(cycle, self.app)
        else:
            cycle.scope[BODY] = bytes(cycle.body)
            cycle.send = WholeSend(cycle)
            Untasked(cycle.run_asgi(endpoint), spawn=self._spawn).go_on()

    def _start_task(self, cycle: Any, app: Any) -> None:
        if cycle.scope["method"] != "HEAD":
            cycle.transport = WholeAnswer(self.transport)
        super()._start_asgi_task(cycle, app)

    def _spawn(self, request: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(request)
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_message_complete(self) -> None:
        """The next headers may follow."""
        self._is_in_head = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with what was asked meanwhile, unless it was nonsense."""
        if self._is_ending:
            self.transport.close()
        super().on_response_complete()

    def send_400_response(self, _msg: str) -> None:
        """Refuse what came, and end the connection. An earlier request keeps its answer, which is then the last."""
        if self._is_ending:
            return
        self._is_ending = True
        self.pipeline.clear()
        cycle = self.cycle
        is_answering = cycle is not None and not cycle.response_complete
        if is_answering and not cycle.more_body:
            cycle.keep_alive = False
            return
        if not (is_answering and cycle.response_started):
            self._write(self._why)
        self.transport.close()

    def refuse_if_slow(self, before_s: float) -> None:
        """Refuse headers that have not ended although they began before then, or never began."""
        if self._head_since_s is not None and self._head_since_s < before_s and not self.transport.is_closing():
            self._why = Problem(HEADERS_TOO_SLOW, "The headers did not arrive in time.")
            self.send_400_response(self._why.detail)

    def _write(self, problem: Problem) -> None:
        body = problem.body()
        head = b"content-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % (MEDIA_TYPE.encode(), len(body))
        self.transport.write(STATUS_LINE[problem.kind.status] + head + body)


async def end_slow_headers(connections: Iterable[Any], deadline_s: float) -> NoReturn:
    """Look through the server's connections again and again: who opens many and says nothing holds none for long."""
    while True:
        await asyncio.sleep(SWEEP_S)
        before_s = monotonic_s() - deadline_s
        for connection in list(connections):
            if isinstance(connection, GuardedProtocol):
                connection.refuse_if_slow(before_s)


def _is_host(value: bytes) -> bool:
    """Visible ASCII without what would begin a path, a query or user information (RFC 9110 §4.2.4, §7.2)."""
    return not value.translate(None, _HOST_CHARACTERS)


_HOST_CHARACTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_~:[]%!$&'()*+,;="
