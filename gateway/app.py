"""The public ASGI application: an exact (method, path) table of raw endpoints in front of FastAPI, which has the rest.

FastAPI's router costs a third to a half of a constant answer, so the hot routes do not pass through it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from contracts.problems import INTERNAL, INVALID_FIELD, MEDIA_TYPE, FieldError
from foundation.logs import get_log
from gateway.access import Needs
from gateway.field_faults import pointer_to
from gateway.http_answers import (
    CLOSE,
    ID,
    Endpoint,
    Message,
    Receive,
    Scope,
    Send,
    header_of,
    not_allowed,
    not_found,
    send_problem,
)
from gateway.http_guard import Refuse, guarded
from gateway.http_tokens import TokenChecker
from gateway.openapi_document import describe
from gateway.openapi_links import with_links
from gateway.path_patterns import PathPatterns
from gateway.problem import Problem
from gateway.request_limits import UNLIMITED, RequestLimits
from gateway.routes_page import SECURITY_HEADERS, StaticFile, page_routes

PREFLIGHT_S: Final = b"600"
"""How long a browser may remember what is allowed; a change of settings is seen after that."""
_EXPOSED: Final = b"etag, retry-after, ratelimit, ratelimit-policy"


FAILED: Final = Problem(
    INTERNAL, "The server failed at this request, and may have carried it out. It was noted.", headers=(CLOSE,)
)


@dataclass(frozen=True, slots=True)
class Route:
    """One raw endpoint, and what its caller must bring; `refuse` answers who does not.

    A path may have one changing part, `{id}`; the endpoint finds it with `id_in(scope)`.
    """

    method: str
    path: str
    endpoint: Endpoint
    needs: Needs
    refuse: Refuse = send_problem
    untasked: bool = False
    """It needs no task of its own (http_untasked.py)."""


class GatewayApp:
    """The whole public interface. Stateless itself. What FastAPI serves is public (`build_rest`)."""

    def __init__(
        self,
        routes: tuple[Route, ...],
        rest: FastAPI,
        *,
        cors_origins: frozenset[str],
        tokens: TokenChecker,
        limits: RequestLimits = UNLIMITED,
    ) -> None:
        self.routes = routes
        self._table = {
            (route.method, route.path): guarded(
                route.endpoint, route.needs, tokens=tokens, refuse=route.refuse, limits=limits
            )
            for route in routes
        }
        self._rest = rest
        self._origins = frozenset(origin.encode() for origin in cors_origins)
        self._methods: dict[str, str] = {}
        for path in {route.path for route in routes}:
            own = {route.method for route in routes if route.path == path}
            self._methods[path] = ", ".join(sorted(own | {"OPTIONS"}))
        self._patterns = PathPatterns(self._methods)
        self.untasked = {
            (route.method, route.path): self if self._origins else self._noted(self._table[route.method, route.path])
            for route in routes
            if route.untasked
        }
        """Of these the server need not ask `self`."""
        if self._origins:
            self._answer = self._answer_cross_origin  # type: ignore[method-assign]

    @property
    def all_routes(self) -> tuple[tuple[str, str], ...]:
        """Method and path of everything, FastAPI's part included."""
        return (*((route.method, route.path) for route in self.routes), *_routes_of(self._rest))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request. Web sockets are closed by FastAPI, which has none."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Route, and answer for a defect of ours: it ends one request, not the process, where thousands of others may
        be under way. It is logged once: here if it can be answered, else by the server, which ends the connection.
        """
        has_begun = False

        async def send_noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            return await self._route(scope, receive, send_noted)
        except Exception:
            if has_begun:
                raise
            get_log().exception("request_failed", method=scope["method"], path=scope["path"])
        return await send_problem(send, FAILED)

    def _noted(self, endpoint: Endpoint) -> Endpoint:
        """As `_answer`, where the route is known and the server itself refuses a second answer."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await endpoint(scope, receive, send)
            except Exception:
                if not await _is_told_of_failure(send):
                    raise
                get_log().exception("request_failed", method=scope["method"], path=scope["path"])

        return answer

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._table.get((scope["method"], scope["path"]))
        if endpoint is not None:
            return await endpoint(scope, receive, send)
        path = self._pattern_of(scope)
        endpoint = self._table.get((scope["method"], path))
        if endpoint is not None:
            return await endpoint(scope, receive, send)
        allowed = self._methods.get(path)
        if allowed is None:
            return await self._rest(scope, receive, send)
        if scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": [(b"allow", allowed.encode())]})
            return await send({"type": "http.response.body", "body": b""})
        return await send_problem(send, not_allowed(scope["method"], allowed))

    def _pattern_of(self, scope: Scope) -> str:
        """The route's path that a request's path belongs to, its changing part noted; else the request's own."""
        path: str = scope["path"]
        found = None if path in self._methods else self._patterns.find(scope["raw_path"])
        if found is None:
            return path
        path, scope[ID] = found
        return path

    async def _answer_cross_origin(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = header_of(scope, b"origin")
        if origin is None or not self._origins & {origin, b"*"}:
            return await GatewayApp._answer(self, scope, receive, send)
        granted = [
            (b"access-control-allow-origin", b"*" if b"*" in self._origins else origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]
        wanted = header_of(scope, b"access-control-request-method")
        if scope["method"] == "OPTIONS" and wanted is not None:
            granted += [
                (b"access-control-allow-methods", self._methods.get(self._pattern_of(scope), "GET, HEAD").encode()),
                (
                    b"access-control-allow-headers",
                    b"authorization, content-type, idempotency-key, if-none-match, last-event-id",
                ),
                (b"access-control-max-age", PREFLIGHT_S),
            ]

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *granted]
            await send(message)

        return await GatewayApp._answer(self, scope, receive, send_granted)


def build_rest(files: dict[str, StaticFile], *, demo: tuple[type, type] | None, actions: Iterable[str] = ()) -> FastAPI:
    """FastAPI with what is not hot: the page, and the description of everything, with the names of the `actions`."""
    rest = FastAPI(
        title="Shardboard",
        summary="A live leaderboard: actions in, boards out.",
        version=version("shardboard"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    rest.include_router(page_routes(files))
    document: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not document:
            document.update(with_links(describe(FastAPI.openapi(rest), demo=demo), actions))
        return document

    rest.openapi = openapi  # type: ignore[method-assign]

    @rest.api_route("/openapi.json", methods=["GET", "HEAD"], include_in_schema=False)
    async def description() -> Any:
        return rest.openapi()

    rest.add_exception_handler(Exception, _on_defect)
    rest.add_exception_handler(HTTPException, _on_http_exception)
    rest.add_exception_handler(RequestValidationError, _on_invalid_request)
    return rest


async def _is_told_of_failure(send: Send) -> bool:
    """Whether the client could be answered: not where another answer has begun."""
    try:
        await send_problem(send, FAILED)
    except RuntimeError:
        return False
    return True


def _routes_of(router: Any) -> Iterator[tuple[str, str]]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in sorted(route.methods or ()))
        else:  # FastAPI keeps a router that was included as it is
            yield from _routes_of(route.original_router)


async def _on_defect(_request: Request, _error: Exception) -> Response:
    """What the client gets; FastAPI then raises the error on, and the server logs it."""
    return _problem(FAILED)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers: Mapping[str, str] = error.headers or {}
    if error.status_code == 405:
        return _problem(not_allowed(request.method, headers.get("Allow", headers.get("allow", "GET, HEAD"))))
    return _problem(not_found(request.url.path))


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors = tuple(FieldError(pointer_to(*map(str, each["loc"][1:])), str(each["msg"])) for each in error.errors())
    return _problem(Problem(INVALID_FIELD, "The request is not valid.", errors=errors))


def _problem(problem: Problem) -> Response:
    headers = {name.decode(): value.decode() for name, value in problem.headers}
    return Response(
        problem.body(),
        status_code=problem.kind.status,
        media_type=MEDIA_TYPE,
        headers={**SECURITY_HEADERS, "Cache-Control": "no-store", **headers},
    )
