"""Sends answers over ASGI: the few lines that every raw endpoint shares."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from contracts.problems import MEDIA_TYPE, METHOD_NOT_ALLOWED, NOT_FOUND
from gateway.problem import Problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

JSON_TYPE: Final = (b"content-type", b"application/json")
ID: Final = "shardboard.id"
"""Where in the scope the changing part of a path is."""
TRANSPORT: Final = "shardboard.transport"
"""Where in the scope the connection is, for an endpoint that writes more than its task sends."""
BODY: Final = "shardboard.body"
"""Where in the scope the body is, if all of it came with the headers."""
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


def id_in(scope: Scope) -> str:
    """The changing part of the request's path, decoded. Raises KeyError where the route has none."""
    found: str = scope[ID]
    return found


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
