"""Who may do what: every route, every kind of caller, every verb. A route that is not here fails the build.

Rows are routes with a request about the user `alice`; columns are callers; an entry is what the caller gets."""

import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from yarl import URL

from contracts.demo_users import DEMO_USERS
from contracts.tokens import SCOPE_BACKFILL, SCOPE_MODERATE, SCOPE_OPERATE, SCOPE_WRITE_ANY
from gateway.service import Gateway
from gateway.settings import read_settings
from tests.support.running_gateway import RunningGateway, token_for

IN = "in"
"""Neither 401 nor 403, nor a defect: the route itself answers."""
CALLERS: dict[str, str | None] = {
    "nobody": None,
    "forger": token_for("alice", scopes=(SCOPE_MODERATE,), secret="somebody-elses-secret-0123456789abcdef"),
    "expired": token_for("alice", ttl_s=-60),
    "alice": token_for("alice"),
    "bob": token_for("bob"),
    "service": token_for("games", scopes=(SCOPE_WRITE_ANY,)),
    "backfiller": token_for("history", scopes=(SCOPE_BACKFILL,)),
    "moderator": token_for("mod", scopes=(SCOPE_MODERATE,)),
    "operator": token_for("ops", scopes=(SCOPE_OPERATE,)),
}
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")
REASON = {"user_id": "alice", "reason": "a test"}


@dataclass(frozen=True, slots=True)
class Row:
    """A request, and who is let in; nobody, forger and expired get 401 unless the route is public."""

    let_in: frozenset[str]
    body: dict[str, Any] | None = None
    at: str = ""
    """The path that is asked, where the route has a changing part."""

    def expected(self, caller: str) -> object:
        if caller in self.let_in:
            return IN
        return 401 if caller in ("nobody", "forger", "expired") else 403


EVERYBODY = frozenset(CALLERS)
WITH_TOKEN = EVERYBODY - {"nobody", "forger", "expired"}
UNLESS_FALSE = EVERYBODY - {"forger", "expired"}
OWNER = frozenset({"alice", "service"})
MODERATOR = frozenset({"moderator"})
MATRIX: dict[tuple[str, str], Row] = {
    ("POST", "/actions"): Row(OWNER, {"user_id": "alice", "action": "commit"}),
    ("POST", "/tickets"): Row(WITH_TOKEN, {"action": "commit"}),
    **{("POST", f"/moderation/{kind}"): Row(MODERATOR, REASON) for kind in ("hide", "unhide", "erase")},
    ("POST", "/moderation/adjust"): Row(MODERATOR, {**REASON, "points": 1}),
    ("POST", "/moderation/void"): Row(MODERATOR, {**REASON, "action_id": str(uuid.uuid4())}),
    ("POST", "/ranks"): Row(UNLESS_FALSE, {"user_ids": ["alice"]}),
    ("POST", "/demo/actions"): Row(EVERYBODY, {"user_id": DEMO_USERS[0].user_id, "action": "commit"}),
    **{
        (method, path): Row(EVERYBODY)
        for method in ("GET", "HEAD")
        for path in ("/leaderboard", "/periods", "/demo", "/", "/openapi.json")
    },
    ("HEAD", "/leaderboard/stream"): Row(UNLESS_FALSE),
    ("GET", "/leaderboard/stream"): Row(UNLESS_FALSE, at="/leaderboard/stream?period=none-such"),
    ("POST", "/actions/batch"): Row(frozenset({"service"}), {"actions": [{"user_id": "alice", "action": "commit"}]}),
    ("PUT", "/users/{id}"): Row(OWNER, {"name": "Alice"}, at="/users/alice"),
    **{
        (method, "/actions/{id}"): Row(OWNER, at=f"/actions/{uuid.uuid4()}?user_id=alice") for method in ("GET", "HEAD")
    },
    **{(method, "/static/{name}"): Row(EVERYBODY, at="/static/board.css") for method in ("GET", "HEAD")},
    **{
        (method, f"/users/{{id}}/{what}"): Row(UNLESS_FALSE, at=f"/users/alice/{what}")
        for method in ("GET", "HEAD")
        for what in ("rank", "around")
    },
}
PATHS = sorted({(path, row.at.partition("?")[0] or path) for (_, path), row in MATRIX.items()})


def test_the_matrix_has_every_route_and_no_other(gateway_env: dict[str, str]) -> None:
    routes = Gateway(read_settings({**gateway_env, "SHARDBOARD_DEMO": "1"})).routes
    assert set(MATRIX) == set(routes)


@pytest.mark.parametrize("caller", CALLERS)
async def test_each_caller_gets_what_the_matrix_says(gateway: RunningGateway, caller: str) -> None:
    token = CALLERS[caller]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    wrong = []
    for (method, path), row in MATRIX.items():
        sent: dict[str, Any] = {} if row.body is None else {"json": row.body}
        async with gateway.http.request(method, gateway.url + (row.at or path), headers=headers, **sent) as answer:
            got = answer.status if answer.status in (401, 403) else IN if answer.status != 500 else "defect"
            if got != row.expected(caller):
                wrong.append(f"{method} {path}: {answer.status}, expected {row.expected(caller)}")
            if answer.status == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert wrong == []


@pytest.mark.parametrize("caller", ["nobody", "moderator", "operator"])
async def test_a_verb_that_a_resource_does_not_have_is_405_for_everybody(gateway: RunningGateway, caller: str) -> None:
    """Also for who may do everything, and whatever the path looks like to a proxy in front."""
    token = CALLERS[caller]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    for path, at in PATHS:
        has = {method for method, known in MATRIX if known == path}
        for verb in sorted(set(VERBS) - has - {"CONNECT"}):
            async with gateway.http.request(verb, gateway.url + at, headers=headers) as answer:
                is_options = verb == "OPTIONS" and answer.status == 204
                assert is_options or answer.status == 405, f"{verb} {at}: {answer.status}"
                assert set(answer.headers["Allow"].replace(" ", "").split(",")) - {"OPTIONS"} == has


@pytest.mark.parametrize(
    "path",
    [
        "//moderation/hide", "/moderation//hide", "/moderation/hide/", "/Moderation/hide", "/moderation/hide;a=b",
        "/moderation/./hide", "/moderation/../moderation/hide", "/leaderboard/../moderation/hide",
        "/moderation/hide%00", "/%6doderation/hide", "/moderation%2fhide", "/moderation/hide%20",
        "/static/..%2fmoderation%2fhide",
    ],
)  # fmt: skip
async def test_no_other_spelling_of_a_path_leads_past_its_demands(gateway: RunningGateway, path: str) -> None:
    """Authority hangs on the route that was found, so a spelling is either that route, with its demands, or none."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(URL(gateway.url + path, encoded=True), json=REASON, headers={}) as answer,
    ):
        assert answer.status in (401, 404, 405)


async def test_public_and_internal_ports_have_nothing_of_each_other(gateway: RunningGateway) -> None:
    for path in ("/metrics", "/health/live", "/health/ready"):
        assert (await gateway.get(path)).status == 404
        async with gateway.http.get(gateway.internal_url + path) as answer:
            assert answer.status == 200
    for method, path in MATRIX:
        async with gateway.http.request(method, gateway.internal_url + path.replace("{id}", "a")) as answer:
            assert answer.status == 404
