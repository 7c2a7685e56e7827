"""POST /moderation/… over HTTP: who may, what is refused with which problem, and what a receipt says. What the orders
do on the boards is shown in tests/acceptance/moderation."""

import uuid
from typing import Any

import pytest

from contracts.partition_key import partition_of
from contracts.tokens import SCOPE_BACKFILL, SCOPE_MODERATE, SCOPE_OPERATE, SCOPE_WRITE_ANY
from gateway.moderation import KINDS
from tests.integration.gateway.conftest import PARTITIONS
from tests.support.running_gateway import RunningGateway, token_for

MODERATOR = token_for("mod", scopes=(SCOPE_MODERATE,))
GOOD: dict[str, Any] = {"user_id": "bob", "reason": "cheats"}
OWN: dict[str, dict[str, Any]] = {"adjust": {"points": -5}, "void": {"action_id": str(uuid.uuid4())}}
WRITTEN = ("hide", "unhide", "adjust", "erase")


@pytest.mark.parametrize("kind", WRITTEN)
async def test_an_order_is_in_the_log_where_its_receipt_says(gateway: RunningGateway, kind: str) -> None:
    order_id = str(uuid.uuid4())
    body = {**GOOD, **OWN.get(kind, {}), "id": order_id}
    answer = await gateway.post_to(f"/moderation/{kind}", body, token=MODERATOR)
    assert answer.status == 201
    assert answer.json == {
        "id": order_id,
        "kind": kind,
        "user_id": "bob",
        "points": -5 if kind == "adjust" else 0,
        "partition": partition_of("bob", PARTITIONS),  # type: ignore[arg-type]
        "offset": 0,
    }


@pytest.mark.parametrize("kind", WRITTEN)
async def test_the_same_key_is_the_same_order(gateway: RunningGateway, kind: str) -> None:
    body = {**GOOD, **OWN.get(kind, {})}
    key = {"Idempotency-Key": "case-17"}
    first, again = [await gateway.post_to(f"/moderation/{kind}", body, token=MODERATOR, **key) for _ in range(2)]
    assert (first.status, first.body) == (again.status, again.body)
    other = await gateway.post_to(f"/moderation/{kind}", {**body, "reason": "x"}, token=MODERATOR, **key)
    assert other.code == "idempotency-mismatch"


@pytest.mark.parametrize("kind", KINDS)
async def test_only_a_moderator_may(gateway: RunningGateway, kind: str) -> None:
    path, body = f"/moderation/{kind}", {**GOOD, **OWN.get(kind, {})}
    assert (await gateway.post_to(path, body)).code == "unauthenticated"
    for scopes in ((), (SCOPE_WRITE_ANY, SCOPE_OPERATE, SCOPE_BACKFILL)):
        answer = await gateway.post_to(path, body, token=token_for("bob", scopes=scopes))
        assert (answer.status, answer.code) == (403, "forbidden")
        assert 'scope="moderate"' in answer.headers["WWW-Authenticate"]
    got = await gateway.get(path)
    assert (got.status, got.code, got.headers["Allow"]) == (405, "method-not-allowed", "OPTIONS, POST")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"user_id": ""}, "invalid-field", "#/user_id"),
        ({"user_id": "é" * 65}, "invalid-field", "#/user_id"),
        ({"reason": " "}, "invalid-field", "#/reason"),
        ({"reason": "x" * 1_001}, "invalid-field", "#/reason"),
        ({"id": "seven"}, "invalid-field", "#/id"),
        ({"by": "somebody"}, "invalid-field", "#/by"),
    ],
)
async def test_bad_bodies_422(
    gateway: RunningGateway, kind: str, change: dict[str, Any], code: str, pointer: str
) -> None:
    body = {**GOOD, **OWN.get(kind, {}), **change}
    answer = await gateway.post_to(f"/moderation/{kind}", body, token=MODERATOR)
    assert (answer.status, answer.code) == (422, code)
    assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


async def test_what_is_no_json_or_too_large_is_refused(gateway: RunningGateway) -> None:
    path = "/moderation/adjust"
    assert (await gateway.post_to(path, b"{", token=MODERATOR)).code == "malformed-body"
    plain = {"Content-Type": "text/plain"}
    assert (await gateway.post_to(path, b"{}", token=MODERATOR, **plain)).code == "unsupported-media-type"
    large = await gateway.post_to(path, b'{"reason":"' + b"x" * 17_000 + b'"}', token=MODERATOR)
    assert (large.status, large.code) == (413, "body-too-large")


async def test_a_void_needs_the_archive(gateway: RunningGateway) -> None:
    """This gateway has none."""
    answer = await gateway.post_to("/moderation/void", {**GOOD, **OWN["void"]}, token=MODERATOR)
    assert (answer.status, answer.code) == (503, "archive-unavailable")
    assert answer.headers["Retry-After"] == "2"
