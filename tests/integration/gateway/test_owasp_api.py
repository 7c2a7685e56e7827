"""The OWASP API Security Top 10 (2023), item by item, over HTTP against a whole gateway. Each test says what the item
would look like here, and that it does not. What needs more room has tests of its own, named beside it."""

import json
from typing import Any

import pytest
from aiohttp import web

from contracts.tokens import DEVELOPMENT_SECRET, SCOPE_MODERATE, SCOPE_WRITE_ANY
from foundation.env import BadSettings
from gateway.http_jwks import BYTES_MAX, KeysAway, read_document
from gateway.http_token_keys import BadKeys, keys_of_jwks
from gateway.service import Gateway
from gateway.settings import read_settings
from tests.support.running_gateway import RunningGateway, read_log, running_gateway, token_for
from tests.support.token_kit import compact, ed_key, hs, jwk, rs, rsa_key
from tests.support.wait import wait_until

ALICE, BOB = token_for("alice"), token_for("bob")
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))
MODERATOR = token_for("mod", scopes=(SCOPE_MODERATE,))
GOOD: dict[str, Any] = {"user_id": "alice", "action": "commit"}
REASON = {"user_id": "alice", "reason": "a test"}


async def post(gateway: RunningGateway, path: str, *, body: Any, token: str | None, **headers: str) -> tuple[int, Any]:
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with gateway.http.post(gateway.url + path, json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


async def test_api1_no_user_acts_on_the_objects_of_another(gateway: RunningGateway) -> None:
    """Broken object level authorisation: Bob writes for Alice, takes a ticket for her, or reads her answer.
    All routes × callers: test_authorisation_matrix.py."""
    assert (await post(gateway, "/actions", body=GOOD, token=BOB))[0] == 403
    assert (await post(gateway, "/tickets", body={"action": "raid", "user_id": "alice"}, token=BOB))[0] == 403
    key = {"Idempotency-Key": "the-same-key"}
    _, hers = await post(gateway, "/actions", body=GOOD, token=ALICE, **key)
    status, his = await post(gateway, "/actions", body={**GOOD, "user_id": "bob"}, token=BOB, **key)
    assert (status, his["action_id"] == hers["action_id"]) == (201, False)
    for twisted in ("ALICE", "alice ", "alice\u0000", "\uff41lice", ["alice"], {"id": "alice"}, None, 1):
        assert (await post(gateway, "/actions", body={**GOOD, "user_id": twisted}, token=ALICE))[0] in (403, 422)


async def test_api2_nobody_is_believed_without_proof(gateway: RunningGateway) -> None:
    """Broken authentication. 4,300 tokens against every kind of key: tests/unit/gateway/test_token_corpus.py; revoked
    ones: test_http_identity.py."""
    secret = DEVELOPMENT_SECRET.encode()
    head, body, signature = ALICE.split(".")
    forged = [
        "", "null", ALICE[:-3], f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{signature[::-1]}",
        compact({"alg": "none"}, b'{"sub":"alice"}', sign=lambda _: b"").decode(),
        compact({"alg": "HS512"}, b"{}", sign=hs(secret, "sha512")).decode(),
        compact({"alg": "RS256"}, b"{}", sign=rs(rsa_key("attacker"))).decode(),
        token_for("alice", ttl_s=-120), token_for("alice", aud="other"), token_for("alice", iss="other"),
    ]  # fmt: skip
    for token in forged:
        async with gateway.http.post(
            f"{gateway.url}/actions", json=GOOD, headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    elsewhere = [{"access_token": ALICE}, {"token": ALICE}]
    for query in elsewhere:
        async with gateway.http.post(f"{gateway.url}/actions", json=GOOD, params=query) as answer:
            assert answer.status == 401
    async with gateway.http.post(f"{gateway.url}/actions", json=GOOD, cookies={"token": ALICE}) as answer:
        assert answer.status == 401


async def test_api3_no_property_is_set_or_shown_beyond_the_contract(
    gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    """Broken object property level authorisation: points by mass assignment, or inner fields in an answer."""
    values: list[Any] = [1_000_000, "x", True, None, {}, []]
    inner = (
        "points",
        "score",
        "name",
        "kind",
        "limits",
        "keep_until",
        "received_at",
        "hidden",
        "v",
        "scope",
        "__proto__",
    )
    for name in inner:
        for value in values:
            assert (await post(gateway, "/actions", body={**GOOD, name: value}, token=ALICE))[0] == 422
    status, receipt = await post(gateway, "/actions", body=GOOD, token=ALICE)
    assert (status, set(receipt)) == (201, {"action_id", "points", "partition", "offset"})
    log = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    assert [(record.user_id, record.points) for _, _, _, record in log] == [("alice", 10)]


async def test_api4_each_resource_has_a_bound(gateway_env: dict[str, str]) -> None:
    """Unrestricted resource consumption: sizes, pages, rates. Headers and time: test_http_protocol.py; memory of
    tokens: tests/unit/gateway/test_http_tokens.py."""
    async with running_gateway({**gateway_env, "SHARDBOARD_USER_RATE": "1/s burst 5"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        large = await gateway.post(b'{"user_id":"' + b"a" * 20_000, token=SERVICE)
        assert (large.status, large.code) == (413, "body-too-large")
        for query in ("limit=101", "limit=0", "limit=-1", "limit=1e3", f"limit={'9' * 400}"):
            assert (await gateway.get(f"/leaderboard?{query}")).status == 422
        nested = await gateway.post(b"[" * 10_000, token=SERVICE)
        assert nested.status == 422
        answers = [await gateway.post({**GOOD, "user_id": "bob"}, token=BOB) for _ in range(20)]
        refused = [answer for answer in answers if answer.status == 429]
        assert len(refused) >= 10
        assert {answer.code for answer in refused} == {"rate-limited"}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)


@pytest.mark.parametrize("kind", ["hide", "unhide", "adjust", "void", "erase"])
async def test_api5_no_function_is_there_for_who_may_not_use_it(gateway: RunningGateway, kind: str) -> None:
    """Broken function level authorisation: moderators' functions by users, by servers, by another verb."""
    for token, expected in (
        (None, 401),
        (ALICE, 403),
        (SERVICE, 403),
        (token_for("x", scopes=("Moderate", "mod")), 403),
    ):
        status, _ = await post(gateway, f"/moderation/{kind}", body=REASON, token=token)
        assert status == expected
    for verb in ("GET", "PUT", "PATCH", "DELETE"):
        headers = {"Authorization": f"Bearer {MODERATOR}", "X-HTTP-Method-Override": "POST"}
        async with gateway.http.request(verb, f"{gateway.url}/moderation/{kind}", headers=headers) as answer:
            assert answer.status == 405
    assert (await gateway.post(GOOD, token=ALICE, **{"X-Scope": "moderate", "X-Forwarded-User": "mod"})).status == 201


async def test_api6_points_that_must_be_earned_are_not_farmed(gateway: RunningGateway) -> None:
    """Unrestricted access to sensitive business flows: a bot that posts the dear action without having earned it. Ten
    thousand replays of one ticket: test_http_tickets.py."""
    raid = {"user_id": "alice", "action": "raid"}
    status, problem = await post(gateway, "/actions", body=raid, token=ALICE)
    assert (status, problem["type"]) == (422, "urn:shardboard:problem:ticket-required")
    status, ticket = await post(gateway, "/tickets", body={"action": "raid"}, token=ALICE)
    assert status == 201
    status, problem = await post(gateway, "/actions", body={**raid, "ticket": ticket["ticket"]}, token=ALICE)
    assert (status, problem["type"]) == (422, "urn:shardboard:problem:ticket-early")
    stolen = {"user_id": "bob", "action": "raid", "ticket": ticket["ticket"]}
    assert (await post(gateway, "/actions", body=stolen, token=BOB))[1][
        "type"
    ] == "urn:shardboard:problem:ticket-invalid"


async def test_api7_no_request_makes_the_gateway_call_somebody(gateway: RunningGateway) -> None:
    """Server side request forgery: an address in a token or a body is never asked."""
    asked: list[str] = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.json_response({"keys": [jwk(rsa_key("attacker"), kid="k")]})

    app = web.Application()
    app.router.add_route("*", "/{any:.*}", note)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    trap = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for member in ("jku", "x5u", "kid", "iss", "jwk"):
        header = {"alg": "RS256", "typ": "JWT", member: f"{trap}/{member}"}
        token = compact(header, b'{"sub":"alice"}', sign=rs(rsa_key("attacker"))).decode()
        assert (await gateway.post(GOOD, token=token)).status == 401
    assert (await gateway.post({**GOOD, "action": f"{trap}/action"}, token=ALICE)).status == 422
    headers = {"Host": trap.removeprefix("http://"), "X-Forwarded-Host": trap, "Forwarded": f"host={trap}"}
    assert (await gateway.get("/leaderboard?period=" + trap, **headers)).status == 422
    await runner.cleanup()
    assert asked == []


async def test_api8_nothing_is_open_by_configuration(gateway: RunningGateway) -> None:
    """Security misconfiguration: headers, origins, verbs, errors, what production refuses."""
    page = await gateway.get("/", Origin="https://evil.example")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    for path in ("/", "/leaderboard", "/nothing", "/openapi.json"):
        answer = await gateway.get(path, Origin="https://evil.example")
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
        assert not {"server", "x-powered-by"} & {name.lower() for name in answer.headers}
        assert b"Traceback" not in answer.body
    assert (await gateway.get("/actions", method="TRACE")).status == 405
    for risky in ({"CORS_ORIGINS": "*"}, {"DEMO": "1"}, {"JWT_SECRET": ""}, {"CACHE_URL": "redis://:pw@cache/0"}):
        environ = {"SHARDBOARD_ENV": "production", **{f"SHARDBOARD_{name}": value for name, value in risky.items()}}
        with pytest.raises(BadSettings):
            read_settings(environ)


async def test_api9_the_description_has_every_route_and_no_other(
    gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    """Improper inventory management: a route that nobody knows of, an old version, a debug page."""
    document = (await gateway.get("/openapi.json")).json
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    served = set(Gateway(read_settings({**gateway_env, "SHARDBOARD_DEMO": "1"})).routes)
    page = {("GET", "/"), ("GET", "/static/{name}"), ("GET", "/openapi.json")}
    assert {(method, path) for method, path in served if method != "HEAD"} - page == described
    for path in (
        "/docs",
        "/redoc",
        "/v1/actions",
        "/api/actions",
        "/debug",
        "/admin",
        "/metrics",
        "/.env",
        "/.git/config",
    ):
        assert (await gateway.get(path)).status == 404


async def test_api10_what_other_services_say_is_not_believed_blindly() -> None:
    """Unsafe consumption of APIs: the issuer's keys are the one thing that is fetched. More in test_http_jwks.py."""
    good = json.dumps({"keys": [jwk(ed_key("ours"), kid="a")]}).encode()
    bodies = {
        "/good": (200, good, {}),
        "/large": (200, b" " * (BYTES_MAX + 1), {}),
        "/moved": (302, b"", {"Location": "/good"}),
        "/failed": (500, good, {}),
    }

    async def answer(request: web.Request) -> web.Response:
        status, body, headers = bodies[request.path]
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_get("/{any:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    assert len(keys_of_jwks(await read_document(f"{issuer}/good"), ())) == 1
    for path in ("/large", "/moved", "/failed"):
        with pytest.raises(KeysAway):
            await read_document(issuer + path)
    await runner.cleanup()
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "a"}
    for document in (b"<html>", b"[]", b'{"keys":"x"}', json.dumps({"keys": [secret]}).encode(), good[:-5]):
        with pytest.raises(BadKeys):
            keys_of_jwks(document, ())
