"""Sends answers over ASGI and reads bodies within their bound: the few lines that every raw endpoint shares."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from contracts.problems import BODY_TOO_LARGE, MEDIA_TYPE, METHOD_NOT_ALLOWED, NOT_FOUND
from gateway.problem import Problem
from gateway.settings import BODY_BYTES_MAX

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON_TYPE: Final = (b"content-type", b"application/json")
CLOSE: Final = (b"connection", b"close")
_PROBLEM_TYPE: Final = (b"content-type", MEDIA_TYPE.encode())
_NO_STORE: Final = (b"cache-control", b"no-store")


async def send_answer(send: Send, status: int, *, headers: Headers, body: bytes) -> None:
    """One whole answer; content-length is added."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, problem: Problem) -> None:
    """A problem document."""
    headers = (_PROBLEM_TYPE, _NO_STORE, *problem.headers)
    await send_answer(send, problem.kind.status, headers=headers, body=problem.body())


def header_of(scope: Scope, wanted: bytes) -> bytes | None:
    """The first header of this lower-case name."""
    for name, value in scope["headers"]:
        if name == wanted:
            found: bytes = value
            return found
    return None


def not_found(path: str) -> Problem:
    """The problem of a path that leads nowhere."""
    return Problem(NOT_FOUND, f"There is nothing at {path[:200]!r}.")


def not_allowed(method: str, allowed: str) -> Problem:
    """The problem of a method that a resource does not have; `allowed` is the Allow header."""
    return Problem(
        METHOD_NOT_ALLOWED,
        f"{method} is not possible here; possible: {allowed}.",
        headers=((b"allow", allowed.encode()),),
    )


class Disconnected(Exception):
    """The client went away before its body was complete: nobody waits for an answer."""


async def read_body(receive: Receive) -> bytes | Problem:
    """The whole body, or the problem once it exceeds its bound: what follows is not read. Raises Disconnected."""
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body") and len(body) <= BODY_BYTES_MAX:
        return body
    pieces, size = [body], len(body)
    while message["type"] == "http.request":
        if size > BODY_BYTES_MAX:
            return body_too_large()
        if not message.get("more_body"):
            return b"".join(pieces)
        message = await receive()
        piece: bytes = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
    raise Disconnected


def body_too_large() -> Problem:
    """Refuses the body. The connection ends, or the rest of it would have to be read."""
    return Problem(BODY_TOO_LARGE, f"The body may have at most {BODY_BYTES_MAX} bytes.", headers=(CLOSE,))
