"""The table in front: which requests never reach FastAPI, what other methods get, and what other origins may do."""

from collections.abc import Iterable
from typing import Any

import pytest
from fastapi import FastAPI

from contracts.tokens import DEVELOPMENT_SECRET
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.access import MODERATE, NOTHING
from gateway.app import GatewayApp, Route, build_rest
from gateway.http_answers import Message, Receive, Scope, Send, id_in, send_answer
from gateway.http_tokens import TokenChecker
from gateway.routes_page import StaticFile
from tests.support.running_gateway import token_for

FILES = {"index.html": StaticFile(b"<!doctype html>", "text/html", '"tag"')}
TOKENS = TokenChecker(TokenSettings(DEVELOPMENT_SECRET, "shardboard", "shardboard"), Metrics(), cache_max=10)


async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
    await send_answer(send, 200, headers=((b"content-type", b"text/plain"),), body=b"raw")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await send_answer(send, 200, headers=((b"content-type", b"text/plain"),), body=id_in(scope).encode())


def app(*origins: str) -> GatewayApp:
    public = [("GET", "/board"), ("HEAD", "/board"), ("POST", "/actions")]
    routes = tuple(Route(method, path, endpoint, needs=NOTHING) for method, path in public)
    guarded = (
        Route("POST", "/hidden", endpoint, needs=MODERATE),
        Route("PUT", "/users/{id}", echo, needs=NOTHING),
        Route("DELETE", "/users/{id}/name", echo, needs=MODERATE),
    )
    return GatewayApp(routes + guarded, build_rest(FILES, demo=None), cors_origins=frozenset(origins), tokens=TOKENS)


async def ask(
    served: GatewayApp, request: str, *, headers: Iterable[tuple[bytes, bytes]] = ()
) -> tuple[int, dict[str, str], bytes]:
    """`request` is its method and path."""
    method, path = request.split(" ")
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "server": ("test", 80),
        "client": ("test", 1),
    }
    await served(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body


@pytest.mark.parametrize(("method", "path"), [("GET", "/board"), ("HEAD", "/board"), ("POST", "/actions")])
async def test_a_raw_endpoint_answers_its_method_and_path(method: str, path: str) -> None:
    assert (await ask(app(), f"{method} {path}"))[2] == b"raw"


@pytest.mark.parametrize(("scopes", "status"), [(None, 401), ((), 403), (("operate",), 403), (("moderate",), 200)])
async def test_a_guarded_route_lets_in_who_brings_what_it_needs(scopes: tuple[str, ...] | None, status: int) -> None:
    sent = () if scopes is None else ((b"authorization", f"Bearer {token_for('m', scopes=scopes)}".encode()),)
    answered, headers, body = await ask(app(), "POST /hidden", headers=sent)
    assert (answered, body == b"raw") == (status, status == 200)
    assert ("www-authenticate" in headers) == (status != 200)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/actions", "OPTIONS, POST"),
        ("DELETE", "/board", "GET, HEAD, OPTIONS"),
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/static/index.html", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("TRACE", "/actions", "OPTIONS, POST"),
    ],
)
async def test_another_method_is_405_and_says_which_there_are(method: str, path: str, allowed: str) -> None:
    status, headers, body = await ask(app(), f"{method} {path}")
    assert (status, headers["content-type"]) == (405, "application/problem+json")
    assert sorted(headers["allow"].split(", ")) == sorted(allowed.split(", "))
    assert b"urn:shardboard:problem:method-not-allowed" in body


async def test_a_path_with_an_id_leads_to_its_route() -> None:
    assert (await ask(app(), "PUT /users/a%2Fb"))[2] == b"a/b"
    assert (await ask(app(), "DELETE /users/a%2Fb/name"))[0] == 401
    status, headers, _ = await ask(app(), "GET /users/ada")
    assert (status, headers["allow"]) == (405, "OPTIONS, PUT")
    _, headers, _ = await ask(app("https://a.example"), "OPTIONS /users/ada/name", headers=PREFLIGHT)
    assert headers["access-control-allow-methods"] == "DELETE, OPTIONS"


@pytest.mark.parametrize("path", ["/nothing", "/board/", "/actions/7", "/docs", "/static/../settings.py", "/static/x"])
async def test_another_path_is_404_with_a_problem_document(path: str) -> None:
    status, headers, body = await ask(app(), f"GET {path}")
    assert (status, headers["content-type"]) == (404, "application/problem+json")
    assert b"urn:shardboard:problem:not-found" in body


async def test_options_without_an_origin_says_what_is_possible() -> None:
    status, headers, _ = await ask(app(), "OPTIONS /actions")
    assert (status, headers) == (204, {"allow": "OPTIONS, POST"})


ORIGIN = (b"origin", b"https://a.example")
PREFLIGHT = (ORIGIN, (b"access-control-request-method", b"POST"))


async def test_a_granted_origin_may_ask_and_read() -> None:
    served = app("https://a.example")
    status, headers, _ = await ask(served, "OPTIONS /actions", headers=PREFLIGHT)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert "POST" in headers["access-control-allow-methods"]
    assert "authorization" in headers["access-control-allow-headers"]
    for method, path in (("POST", "/actions"), ("GET", "/nothing"), ("GET", "/actions"), ("GET", "/openapi.json")):
        _, headers, _ = await ask(served, f"{method} {path}", headers=(ORIGIN,))
        assert headers["access-control-allow-origin"] == "https://a.example"
        assert headers["vary"] == "Origin"


async def test_any_origin_where_that_is_configured() -> None:
    _, headers, _ = await ask(app("*"), "GET /board", headers=(ORIGIN,))
    assert headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origins", [(), ("https://b.example",)])
async def test_another_origin_is_granted_nothing(origins: tuple[str, ...]) -> None:
    for method, path in (("OPTIONS", "/actions"), ("POST", "/actions")):
        _, headers, _ = await ask(app(*origins), f"{method} {path}", headers=PREFLIGHT)
        assert not [name for name in headers if name.startswith("access-control")]


class Defect(Exception):
    """Something that must not happen."""


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise Defect


async def fails_midway(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise Defect


def app_that_fails(*origins: str) -> GatewayApp:
    rest: FastAPI = build_rest(FILES, demo=None)

    @rest.get("/rest")
    async def fails_in_fastapi() -> None:
        raise Defect

    routes = (Route("GET", "/raw", fails, needs=NOTHING), Route("GET", "/midway", fails_midway, needs=NOTHING))
    return GatewayApp(routes, rest, cors_origins=frozenset(origins), tokens=TOKENS)


@pytest.mark.parametrize("origins", [(), ("https://a.example",)])
async def test_a_defect_is_a_problem_document_and_logged_once(
    origins: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, headers, body = await ask(app_that_fails(*origins), "GET /raw", headers=(ORIGIN,))
    assert (status, headers["content-type"], headers["connection"]) == (500, "application/problem+json", "close")
    assert b"urn:shardboard:problem:internal" in body
    assert b"Defect" not in body
    assert "access-control-allow-origin" in headers or not origins
    logged = "".join(capsys.readouterr())
    assert logged.count("request_failed") == 1
    assert "Defect" in logged


@pytest.mark.parametrize("path", ["/midway", "/rest"])
async def test_a_defect_that_we_cannot_answer_any_more_is_the_servers_to_log(path: str) -> None:
    with pytest.raises(Defect):
        await ask(app_that_fails(), f"GET {path}")
