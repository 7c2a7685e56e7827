"""POST /actions over HTTP into a real Kafka: what a 201 means, and the problem document of every refusal."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.partition_key import partition_of
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
from tests.integration.gateway.conftest import PARTITIONS
from tests.support.running_gateway import RunningGateway, read_log, running_gateway, token_for
from tests.support.wait import wait_until

GOOD = {"user_id": "alice", "action": "commit"}
ALICE = token_for("alice", name="Alice")
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))


async def test_an_acknowledged_action_is_in_the_log_as_its_receipt_says(
    gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    action_id = str(uuid.uuid4())
    answer = await gateway.post({**GOOD, "action_id": action_id.upper()}, token=ALICE)
    assert answer.status == 201
    partition = partition_of("alice", PARTITIONS)  # type: ignore[arg-type]
    assert answer.json == {"action_id": action_id, "points": 10, "partition": partition, "offset": 0}
    ((found_in, offset, key, record),) = await read_log(
        gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"]
    )
    assert (found_in, offset, key) == (partition, 0, b"alice")
    assert (record.id, record.user_id, record.action, record.points) == (action_id, "alice", "commit", 10)
    assert record.name == "Alice"


async def test_many_at_once_each_get_their_own_place(gateway: RunningGateway, gateway_env: dict[str, str]) -> None:
    users = [f"user-{n % 40}" for n in range(400)]
    answers = await asyncio.gather(
        *(gateway.post({"user_id": user, "action": "docs"}, token=SERVICE) for user in users)
    )
    assert {answer.status for answer in answers} == {201}
    said = {(a.json["partition"], a.json["offset"]): a.json["action_id"] for a in answers}
    assert len(said) == len(users)
    log = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    assert {(partition, offset): record.id for partition, offset, _, record in log} == said
    assert all(record.name is None for _, _, _, record in log)
    assert await gateway.metric("shardboard_actions_accepted_total") == len(users)
    assert await gateway.metric("shardboard_actions_pending") == 0


@pytest.mark.parametrize(
    ("token", "said"),
    [
        (None, "no Authorization"),
        (token_for("alice", ttl_s=-120), "expired"),
        (token_for("alice", secret="somebody-elses-secret-0123456789abcdef"), "not valid"),
        (token_for("alice", iss="other"), "issuer"),
        ("abc", "not valid"),
    ],
    ids=["none", "expired", "forged", "issuer", "garbage"],
)
async def test_without_a_good_token_401(gateway: RunningGateway, token: str | None, said: str) -> None:
    answer = await gateway.post(GOOD, token=token)
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert said in answer.json["detail"]
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_foreign_user_403(gateway: RunningGateway) -> None:
    answer = await gateway.post({**GOOD, "user_id": "bob"}, token=ALICE)
    assert (answer.status, answer.code) == (403, "foreign-user")


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b'{"user_id":"alice",', "malformed-body", None),
        (b"", "malformed-body", None),
        (b'{"user_id":"alice","action":NaN}', "malformed-body", None),
        (b'{"user_id":"\\ud800","action":"commit"}', "malformed-body", None),
        (b'{"user_id":"\xff","action":"commit"}', "malformed-body", None),
        ({**GOOD, "action": "dance"}, "unknown-action", None),
        ({**GOOD, "points": 1_000_000}, "invalid-field", "#/points"),
        ({**GOOD, "user_id": 7}, "invalid-field", "#/user_id"),
        ({**GOOD, "action": ["commit"]}, "invalid-field", "#/action"),
        ({"action": "commit"}, "invalid-field", "#/user_id"),
        ({**GOOD, "user_id": ""}, "invalid-field", "#/user_id"),
        ({**GOOD, "user_id": "x" * 129}, "invalid-field", "#/user_id"),
        ({**GOOD, "user_id": "é" * 65}, "invalid-field", "#/user_id"),
        ({**GOOD, "user_id": "a\0b"}, "invalid-field", "#/user_id"),
        ({**GOOD, "action_id": "7"}, "invalid-field", "#/action_id"),
        ({**GOOD, "timestamp": "yesterday"}, "invalid-field", "#/timestamp"),
        (b'{"user_id":"alice","user_id":"alice","action":"commit"}', "invalid-field", "#/user_id"),
        ([], "invalid-field", "#"),
    ],
)
async def test_bad_bodies_422(gateway: RunningGateway, body: Any, code: str, pointer: str | None) -> None:
    answer = await gateway.post(body, token=SERVICE)
    assert (answer.status, answer.code) == (422, code)
    if pointer is not None:
        assert [error["pointer"] for error in answer.json["errors"]] == [pointer]


@pytest.mark.parametrize("off", [timedelta(minutes=-11), timedelta(minutes=2), timedelta(days=-400)])
async def test_a_timestamp_outside_the_window_422(gateway: RunningGateway, off: timedelta) -> None:
    body = {**GOOD, "timestamp": (datetime.now(UTC) + off).isoformat()}
    answer = await gateway.post(body, token=ALICE)
    assert (answer.status, answer.code) == (422, "timestamp-outside-window")
    backfiller = token_for("alice", scopes=(SCOPE_BACKFILL,))
    assert (await gateway.post(body, token=backfiller)).status == (201 if off < timedelta(0) else 422)


async def test_a_large_body_413(gateway: RunningGateway) -> None:
    answer = await gateway.post(b'{"user_id":"' + b"x" * 16_384 + b'"}', token=ALICE)
    assert (answer.status, answer.code) == (413, "body-too-large")


async def test_an_endless_body_413_before_its_end(gateway: RunningGateway) -> None:
    """A chunked body says no length: the answer must come after 16 KiB, while the client still sends."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /actions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % ALICE.encode()
    )
    for _ in range(5):
        writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
    await writer.drain()
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    writer.close()


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/json2"])
async def test_another_media_type_415(gateway: RunningGateway, media_type: str) -> None:
    answer = await gateway.post(b"{}", token=ALICE, **{"Content-Type": media_type})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")


async def test_a_charset_is_no_other_media_type(gateway: RunningGateway) -> None:
    answer = await gateway.post(
        b'{"user_id":"alice","action":"commit"}', token=ALICE, **{"Content-Type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status == 201


async def test_too_many_pending_actions_are_shed(gateway_env: dict[str, str]) -> None:
    """With room for one action and a tick of 100 ms, all but one of those that come together are refused."""
    environ = {**gateway_env, "SHARDBOARD_PENDING_ACTIONS_MAX": "1", "SHARDBOARD_TICK_MS": "100"}
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20)
        answers = await asyncio.gather(*(gateway.post(GOOD, token=ALICE) for _ in range(20)))
        assert {answer.status for answer in answers} == {201, 503}
        shed = [answer for answer in answers if answer.status == 503]
        assert {answer.code for answer in shed} == {"overloaded"}
        assert all(answer.headers["Retry-After"] == "1" and answer.json["action_id"] for answer in shed)
        assert (await gateway.post(GOOD, token=ALICE)).status == 201
