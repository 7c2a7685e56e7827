"""Reads the bodies of requests within their bounds of size and time."""

import asyncio
from typing import Any, Final, NoReturn

from contracts.clock import monotonic_s
from contracts.problems import BODY_TOO_LARGE, BODY_TOO_SLOW, UNSUPPORTED_MEDIA_TYPE
from gateway.http_answers import CLOSE, Receive, Scope, header_of
from gateway.problem import Problem
from gateway.settings import BODY_BYTES_MAX, BODY_SWEEP_S

_ACCEPTED: Final = (b"accept", b"application/json")


class Disconnected(Exception):
    """The client went away before its body was complete: nobody waits for an answer."""


class BodyReader:
    """The bodies that are under way in this process. `run` ends the wait for those that take too long.

    One sweep for all: most bodies are there at once, and a timer for each would cost a tenth of a request.
    """

    def __init__(self, *, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._since: dict[asyncio.Task[Any], float] = {}
        """By the task of the request, oldest first."""
        self._late: set[asyncio.Task[Any]] = set()

    async def run(self) -> NoReturn:
        """Interrupt late readings, which then answer."""
        while True:
            await asyncio.sleep(BODY_SWEEP_S)
            began_before_s = monotonic_s() - self._deadline_s
            for task, since_s in self._since.items():
                if since_s > began_before_s:
                    break
                if task not in self._late:
                    self._late.add(task)
                    task.cancel()

    async def read_json(
        self,
        receive: Receive,
        *,
        media_type: bytes | None,
        length: bytes | None,
        whole: bytes | None = None,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> bytes | Problem:
        """The body of a request that says it is JSON and small enough, or the problem. `whole`: the body, if it came
        with the headers. Raises Disconnected."""
        if media_type != b"application/json" and not _is_json(media_type):
            return Problem(UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json.", headers=(_ACCEPTED,))
        if length is not None and int(length) > bytes_max:
            return _too_large(bytes_max)
        if whole is not None:
            return whole if len(whole) <= bytes_max else _too_large(bytes_max)
        return await self.read(receive, bytes_max)

    async def read_json_of(self, scope: Scope, receive: Receive, *, bytes_max: int = BODY_BYTES_MAX) -> bytes | Problem:
        """As `read_json`, of a request whose headers nobody has looked at yet. Raises Disconnected."""
        media_type, length = header_of(scope, b"content-type"), header_of(scope, b"content-length")
        return await self.read_json(receive, media_type=media_type, length=length, bytes_max=bytes_max)

    async def read(self, receive: Receive, bytes_max: int = BODY_BYTES_MAX) -> bytes | Problem:
        """The whole body, or the problem once it exceeds a bound. Raises Disconnected."""
        task = asyncio.current_task()
        assert task is not None, "a request whose body is under way is served by a task of its own"
        self._since[task] = monotonic_s()
        try:
            return await _read(receive, bytes_max)
        except asyncio.CancelledError:
            if task not in self._late or task.uncancel() > 0:
                raise  # somebody else, such as the end of the drain, wants the request to end
            return Problem(BODY_TOO_SLOW, f"The body did not arrive within {self._deadline_s:g} s.", headers=(CLOSE,))
        finally:
            del self._since[task]
            self._late.discard(task)


async def _read(receive: Receive, bytes_max: int) -> bytes | Problem:
    """What follows the bound is not read."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(body) <= bytes_max:
        return body
    pieces, size = [body], len(body)
    while message["type"] == "http.request":
        if size > bytes_max:
            return _too_large(bytes_max)
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
    raise Disconnected


def _too_large(bytes_max: int) -> Problem:
    """Refuses the body. The connection ends, or the rest of it would have to be read."""
    return Problem(BODY_TOO_LARGE, f"The body may have at most {bytes_max} bytes.", headers=(CLOSE,))


def _is_json(media_type: bytes | None) -> bool:
    """Parameters such as charset=utf-8 are allowed and change nothing: JSON is UTF-8 (RFC 8259)."""
    return media_type is not None and media_type.partition(b";")[0].strip().lower() == b"application/json"
