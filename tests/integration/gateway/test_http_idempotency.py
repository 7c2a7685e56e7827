"""Idempotency-Key over HTTP: the same answer for the same request, across gateways and restarts, and what happens when
the store, a gateway or the log is away."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts.ids import UserId
from contracts.redis_keys import idempotency
from contracts.tokens import SCOPE_MODERATE, SCOPE_WRITE_ANY
from gateway.idempotency import RUNNING_MS, KeyedRequest, Remembered, encode, parse_key
from tests.support.running_gateway import Answer, RunningGateway, read_log, running_gateway, token_for
from tests.support.services import StartValkey
from tests.support.wait import wait_until

GOOD = {"user_id": "alice", "action": "commit"}
ALICE, BOB = token_for("alice"), token_for("bob")
SERVICE = token_for("games", scopes=(SCOPE_WRITE_ANY,))
MODERATOR = token_for("mod", scopes=(SCOPE_MODERATE,))


async def keyed(
    gateway: RunningGateway, key: str, *, body: Any = GOOD, token: str = ALICE, path: str = "/actions"
) -> Answer:
    return await gateway.post_to(path, body, token=token, **{"Idempotency-Key": key})


async def ids_in_log(environ: dict[str, str]) -> list[str]:
    log = await read_log(environ["SHARDBOARD_KAFKA"], environ["SHARDBOARD_ACTIONS_TOPIC"])
    return [record.id for _, _, _, record in log]


@pytest.fixture
async def other_gateway(gateway_env: dict[str, str]) -> AsyncIterator[RunningGateway]:
    async with running_gateway(gateway_env) as running:
        await wait_until(running.is_ready, timeout_s=20)
        yield running


async def test_the_same_request_has_the_same_answer_at_any_gateway(
    gateway: RunningGateway, other_gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    first = await keyed(gateway, '"one"')
    assert first.status == 201
    for asked in (gateway, other_gateway):
        again = await keyed(asked, "one")
        assert (again.status, again.body) == (first.status, first.body)
        assert again.headers["Content-Type"] == first.headers["Content-Type"]
    assert await ids_in_log(gateway_env) == [first.json["action_id"]]


async def test_it_is_remembered_over_a_restart(gateway_env: dict[str, str]) -> None:
    answers = []
    for _ in range(2):
        async with running_gateway(gateway_env) as gateway:
            await wait_until(gateway.is_ready, timeout_s=20)
            answers.append((await keyed(gateway, "restart")).body)
    assert answers[0] == answers[1]
    assert len(await ids_in_log(gateway_env)) == 1


async def test_another_body_or_path_is_a_mismatch_and_another_caller_is_not(gateway: RunningGateway) -> None:
    first = await keyed(gateway, "k")
    other = await keyed(gateway, "k", body={**GOOD, "action": "docs"})
    assert (other.status, other.code) == (422, "idempotency-mismatch")
    spaced = await keyed(gateway, "k", body=json.dumps(GOOD, indent=1).encode())
    assert spaced.code == "idempotency-mismatch"
    bobs = await keyed(gateway, "k", body={**GOOD, "user_id": "bob"}, token=BOB)
    assert bobs.status == 201
    assert bobs.json["action_id"] != first.json["action_id"]


async def test_a_refusal_is_an_answer_too_but_not_one_to_wait_for(gateway: RunningGateway) -> None:
    first = await keyed(gateway, "bad", body={**GOOD, "action": "dance"})
    assert (first.status, first.code) == (422, "unknown-action")
    assert (await keyed(gateway, "bad", body={**GOOD, "action": "dance"})).body == first.body
    assert (await keyed(gateway, "bad")).code == "idempotency-mismatch"
    given = await gateway.post_to("/tickets", {"action": "raid"}, token=ALICE)
    raid = {"user_id": "alice", "action": "raid", "ticket": given.json["ticket"]}
    assert (await keyed(gateway, "early", body=raid)).code == "ticket-early"
    assert (await keyed(gateway, "early", body=GOOD)).status == 201


async def test_many_at_once_run_once(
    gateway: RunningGateway, other_gateway: RunningGateway, gateway_env: dict[str, str]
) -> None:
    answers = await asyncio.gather(*(keyed((gateway, other_gateway)[n % 2], "burst") for n in range(60)))
    done = [answer for answer in answers if answer.status == 201]
    rest = [answer for answer in answers if answer.status != 201]
    assert len({answer.body for answer in done}) == 1
    assert {(answer.status, answer.code) for answer in rest} <= {(409, "idempotency-conflict")}
    assert all(answer.headers["Retry-After"] == "1" for answer in rest)
    assert len(await ids_in_log(gateway_env)) == 1


async def test_a_run_that_never_ended_is_free_after_its_time(gateway: RunningGateway, valkey: Redis) -> None:
    """What a gateway leaves that dies in the middle: the key, running, for 30 s."""
    request = parse_key(UserId("alice"), b"dead", path="/actions", body=json.dumps(GOOD).encode())
    assert isinstance(request, KeyedRequest)
    place = idempotency(request.place)
    await valkey.set(place, encode(Remembered(request.digest, b"r" * 16)), px=RUNNING_MS)
    assert (await keyed(gateway, "dead")).code == "idempotency-conflict"
    await valkey.pexpire(place, 1)
    await wait_until(lambda: _is_gone(valkey, place))
    answer = await keyed(gateway, "dead")
    assert answer.json["action_id"] == str(request.action_id)
    assert 0 < await valkey.pttl(place) <= 900_000


@pytest.mark.parametrize("header", ["a,b", "é", '"', "x" * 256, "a b"])
async def test_a_bad_key_422(gateway: RunningGateway, header: str) -> None:
    answer = await keyed(gateway, header)
    assert (answer.status, answer.code) == (422, "invalid-field")
    assert "Idempotency-Key" in answer.json["detail"]


async def test_without_the_store_users_go_on_and_services_are_told(
    gateway_env: dict[str, str], start_valkey: StartValkey
) -> None:
    cache = await start_valkey("cache")
    environ = {**gateway_env, "SHARDBOARD_CACHE_URL": cache.address}
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20)
        await cache.stop()
        first, again = [await keyed(gateway, "k") for _ in range(2)]
        assert (first.status, again.status) == (201, 201)
        assert first.json["action_id"] == again.json["action_id"]
        for token, path in ((SERVICE, "/actions"), (MODERATOR, "/moderation/hide")):
            refused = await keyed(gateway, "k", body=GOOD, token=token, path=path)
            assert (refused.status, refused.code) == (503, "idempotency-unavailable")
        assert (await gateway.post({**GOOD, "user_id": "bob"}, token=SERVICE)).status == 201


async def _is_gone(valkey: Redis, key: str) -> bool:
    return not await valkey.exists(key)
