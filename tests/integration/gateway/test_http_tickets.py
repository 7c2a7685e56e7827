"""POST /tickets over HTTP, and what its ticket is good for at POST /actions."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import jwt
import pytest

from contracts.record import ActionRecord
from contracts.tokens import DEVELOPMENT_SECRET, SCOPE_WRITE_ANY
from tests.support.running_gateway import Answer, RunningGateway, read_log, token_for

ALICE, BOB = token_for("alice"), token_for("bob")
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))


async def ticket(gateway: RunningGateway, action: str = "quest", *, token: str = ALICE, **more: Any) -> dict[str, Any]:
    answer = await gateway.post_to("/tickets", {"action": action, **more}, token=token)
    assert answer.status == 201, answer.body
    given: dict[str, Any] = answer.json
    return given


async def use(gateway: RunningGateway, text: str, *, user: str = "alice", token: str = ALICE, **more: Any) -> Answer:
    return await gateway.post({"user_id": user, "action": "quest", "ticket": text, **more}, token=token)


async def test_a_ticket_is_used_by_its_user_and_its_action_has_its_id(
    gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    given = await ticket(gateway)
    assert (given["user_id"], given["action"]) == ("alice", "quest")
    usable, ends = datetime.fromisoformat(given["usable_from"]), datetime.fromisoformat(given["expires_at"])
    assert ends - usable == timedelta(seconds=600)
    answers = await asyncio.gather(*(use(gateway, given["ticket"]) for _ in range(5)))
    assert {(answer.status, answer.json["action_id"]) for answer in answers} == {(201, given["action_id"])}
    log = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    records = [record for _, _, _, record in log]
    assert all(isinstance(record, ActionRecord) and record.points == 100 for record in records)
    assert {record.id for record in records} == {given["action_id"]}
    assert all(record.keep_until >= ends.timestamp() * 1000 for record in records if record.keep_until)
    assert all(record.keep_until is not None for record in records)


async def test_a_ticket_of_somebody_else_or_too_early_is_refused(gateway: RunningGateway) -> None:
    text = (await ticket(gateway))["ticket"]
    assert (await use(gateway, text, user="bob", token=BOB)).code == "ticket-invalid"
    early = await gateway.post(
        {"user_id": "alice", "action": "raid", "ticket": (await ticket(gateway, "raid"))["ticket"]}, token=ALICE
    )
    assert (early.status, early.code) == (422, "ticket-early")
    assert 0 < int(early.headers["Retry-After"]) <= 60
    assert early.json["errors"][0]["pointer"] == "#/ticket"
    none = await gateway.post({"user_id": "alice", "action": "quest"}, token=ALICE)
    assert (none.status, none.code) == (422, "ticket-required")


async def test_a_game_server_asks_for_its_user(gateway: RunningGateway) -> None:
    given = await ticket(gateway, token=SERVICE, user_id="carol")
    assert (await use(gateway, given["ticket"], user="carol", token=SERVICE)).status == 201
    assert (await use(gateway, given["ticket"], user="dave", token=SERVICE)).code == "ticket-invalid"


async def test_a_ticket_is_no_token_and_a_token_no_ticket(gateway: RunningGateway) -> None:
    text = (await ticket(gateway))["ticket"]
    assert (await gateway.post({"user_id": "alice", "action": "commit"}, token=text)).code == "unauthenticated"
    assert (await use(gateway, jwt.encode({"a": 1}, DEVELOPMENT_SECRET, "HS256"))).code == "ticket-invalid"


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "malformed-body", None),
        (b'{"action":"quest","action":"raid"}', "invalid-field", "#/action"),
        ({}, "invalid-field", "#/action"),
        ({"action": 1}, "invalid-field", "#/action"),
        ({"action": "quest", "points": 5}, "invalid-field", "#/points"),
        ({"action": "quest", "user_id": ""}, "invalid-field", "#/user_id"),
        ({"action": "quest", "user_id": "é" * 65}, "invalid-field", "#/user_id"),
        ({"action": "commit"}, "invalid-field", "#/action"),
        ({"action": "dance"}, "unknown-action", None),
    ],
)
async def test_bad_bodies_422(gateway: RunningGateway, body: Any, code: str, pointer: str | None) -> None:
    answer = await gateway.post_to("/tickets", body, token=SERVICE)
    assert (answer.status, answer.code) == (422, code)
    if pointer is not None:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


async def test_who_may_not_ask_is_told_why(gateway: RunningGateway) -> None:
    asked = {"action": "quest", "user_id": "bob"}
    assert (await gateway.post_to("/tickets", asked, token=ALICE)).code == "foreign-user"
    assert (await gateway.post_to("/tickets", asked)).code == "unauthenticated"
    text = await gateway.post_to("/tickets", json.dumps(asked).encode(), token=ALICE, **{"Content-Type": "text/plain"})
    assert text.code == "unsupported-media-type"
    assert (await gateway.get("/tickets")).code == "method-not-allowed"
    large = await gateway.post_to("/tickets", b'{"action":"' + b"x" * 17_000 + b'"}', token=ALICE)
    assert large.code == "body-too-large"
