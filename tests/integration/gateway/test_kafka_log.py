"""The log goes away and comes back: what clients are told, and that nothing acknowledged is lost nor counted twice.

Each test has a Kafka of its own, which it freezes, kills or starts late.
"""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contracts.tokens import SCOPE_WRITE_ANY
from foundation.kafka_topics import create_topics
from foundation.service import Refused
from foundation.settings import load_common
from gateway.kafka_log import BatchOutcome, Lost
from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import free_ports
from tests.support.running_gateway import CATALOGUE, Answer, RunningGateway, read_log, running_gateway, token_for
from tests.support.services import StartKafka
from tests.support.wait import wait_until, wait_until_sync

TOKEN = token_for("service", scopes=(SCOPE_WRITE_ANY,), ttl_s=3600)
ANSWER_S_MAX = 5.0
BACK_S_MAX = 30.0
"""Kafka's own restart after a SIGKILL takes some seconds; the gateway adds at most its reconnect pause."""


def act(user: str, action_id: str | None = None) -> dict[str, str]:
    return {"user_id": user, "action": "commit", "action_id": action_id or str(uuid.uuid4())}


async def timed(gateway: RunningGateway, body: dict[str, str]) -> Answer:
    start = time.monotonic()
    answer = await gateway.post(body, token=TOKEN)
    assert time.monotonic() - start < ANSWER_S_MAX
    return answer


def environment(address: str, cache_url: str, *, folder: Path) -> dict[str, str]:
    actions_file = folder / "actions.toml"
    actions_file.write_text(CATALOGUE)
    return {
        "SHARDBOARD_KAFKA": address,
        "SHARDBOARD_CACHE_URL": cache_url,
        "SHARDBOARD_ACTIONS_FILE": str(actions_file),
    }


@asynccontextmanager
async def frozen(server: KafkaServer) -> AsyncIterator[None]:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    # Each of its threads stops when it is scheduled next: one that has not yet may still acknowledge.
    threads = Path(f"/proc/{server.pid}/task")
    await wait_until(lambda: all(_is_stopped(thread) for thread in threads.iterdir()), what="every thread to stop")
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def _is_stopped(thread: Path) -> bool:
    return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"


async def accepted(gateway: RunningGateway, body: dict[str, str]) -> bool:
    return (await timed(gateway, body)).status == 201


async def test_a_frozen_log_503_in_time_and_201_again_with_each_action_written(
    start_kafka: StartKafka, valkey_url: str, valkey: Redis, tmp_path: Path
) -> None:
    """Freeze, send to several partitions, thaw, send the same ids again: all are acknowledged, and the log has every
    id; an id may stand there twice, which the repeat rule counts once."""
    kafka = await start_kafka("frozen")
    environ = environment(kafka.address, valkey_url, folder=tmp_path)
    await create_topics(load_common(environ), partitions=4, replication=1)
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        before = act("before")
        assert (await timed(gateway, before)).status == 201
        lost = [act(f"user-{n}") for n in range(12)]
        async with frozen(kafka):
            answers = await asyncio.gather(*(timed(gateway, body) for body in lost))
            assert {(answer.status, answer.code) for answer in answers} == {(503, "log-unavailable")}
            assert [answer.json["action_id"] for answer in answers] == [body["action_id"] for body in lost]
            assert "unknown" in answers[0].json["detail"]
            assert not await gateway.is_ready()
            at_once = time.monotonic()
            later = act("later")
            refused = await timed(gateway, later)
            assert (refused.status, refused.code) == (503, "log-unavailable")
            assert "was not recorded" in refused.json["detail"]
            assert time.monotonic() - at_once < 1.0, "known to be away: nobody has to wait for the deadline"
            assert (await gateway.get("/leaderboard")).status == 200
        await wait_until(lambda: accepted(gateway, later), timeout_s=BACK_S_MAX, what="201 after the thaw")
        answers = await asyncio.gather(*(timed(gateway, body) for body in lost))
        assert {answer.status for answer in answers} == {201}
        await wait_until(gateway.is_ready, what="the gateway to be ready again")
    ids = {record.id for _, _, _, record in await read_log(kafka.address, "actions")}
    assert ids == {body["action_id"] for body in (before, later, *lost)}


async def test_a_killed_log_503_in_time_and_201_again(
    start_kafka: StartKafka, valkey_url: str, valkey: Redis, tmp_path: Path
) -> None:
    kafka = await start_kafka("killed")
    environ = environment(kafka.address, valkey_url, folder=tmp_path)
    await create_topics(load_common(environ), partitions=4, replication=1)
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        before = [act(f"user-{n}") for n in range(20)]
        assert {(await timed(gateway, body)).status for body in before} == {201}
        assert kafka.pid is not None
        os.kill(kafka.pid, signal.SIGKILL)
        await wait_until(lambda: not kafka.is_running(), what="Kafka to be gone")
        lost = act("user-1")
        answer = await timed(gateway, lost)
        assert (answer.status, answer.code, answer.json["action_id"]) == (503, "log-unavailable", lost["action_id"])
        await wait_until(lambda: _is_unready(gateway), what="the gateway to notice")
        await kafka.start()
        await wait_until(lambda: accepted(gateway, lost), timeout_s=BACK_S_MAX, what="201 after the return")
        await wait_until(gateway.is_ready, what="the gateway to be ready again")
    ids = {record.id for _, _, _, record in await read_log(kafka.address, "actions")}
    assert ids == {body["action_id"] for body in (*before, lost)}


async def test_a_gateway_started_before_its_log_serves_as_soon_as_it_is_there(
    valkey_url: str, valkey: Redis, tmp_path: Path
) -> None:
    kafka = KafkaServer(tmp_path / "late", port=free_ports(1)[0])
    environ = environment(kafka.address, valkey_url, folder=tmp_path)
    async with running_gateway(environ) as gateway:
        answer = await timed(gateway, act("early"))
        assert (answer.status, answer.code) == (503, "log-unavailable")
        assert not await gateway.is_ready()
        await wait_until(lambda: _reads_boards(gateway), what="boards, which need no Kafka")
        await kafka.start()
        try:
            await create_topics(load_common(environ), partitions=4, replication=1)
            await wait_until(lambda: accepted(gateway, act("early")), timeout_s=BACK_S_MAX, what="the first 201")
            await wait_until(gateway.is_ready, what="the gateway to be ready")
            gateway.stop.set()
            await gateway.serving
        finally:
            await kafka.stop()


async def test_a_drain_answers_what_is_pending(
    gateway_env: dict[str, str],
) -> None:
    """With a long tick the actions still gather when the gateway is told to stop: every one is answered 201 first."""
    async with running_gateway({**gateway_env, "SHARDBOARD_TICK_MS": "100"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        bodies = [act(f"user-{n}") for n in range(30)]
        posts = [asyncio.create_task(gateway.post(body, token=TOKEN)) for body in bodies]
        await wait_until(lambda: _has_pending(gateway), what="actions to be pending")
        gateway.stop.set()
        answers = await asyncio.gather(*posts, return_exceptions=True)
        await gateway.serving
    taken = [answer for answer in answers if isinstance(answer, Answer)]
    assert taken
    assert {answer.status for answer in taken} == {201}
    log = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    assert {answer.json["action_id"] for answer in taken} <= {record.id for _, _, _, record in log}


async def test_a_frozen_gateway_sends_nothing_that_it_should_have_answered(gateway_env: dict[str, str]) -> None:
    """The event loop stands still beyond the deadline while actions gather: they are refused, not sent late."""
    environ = {**gateway_env, "SHARDBOARD_TICK_MS": "100", "SHARDBOARD_PRODUCE_DEADLINE_MS": "200"}
    refused: list[str] = []
    async with running_gateway(environ) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        for n in range(8):
            body = act(f"user-{n}")
            post = asyncio.create_task(gateway.post(body, token=TOKEN))
            await wait_until(lambda: _has_pending(gateway), what="the action to be pending")
            thaw_s = time.monotonic() + 0.3
            wait_until_sync(lambda thaw_s=thaw_s: time.monotonic() > thaw_s)  # type: ignore[misc]
            answer = await post
            if answer.status == 503:
                refused.append(body["action_id"])
    log = await read_log(gateway_env["SHARDBOARD_KAFKA"], gateway_env["SHARDBOARD_ACTIONS_TOPIC"])
    assert refused
    assert not set(refused) & {record.id for _, _, _, record in log}


async def test_production_refuses_a_topic_that_one_broker_can_lose(gateway_env: dict[str, str]) -> None:
    environ = {
        **gateway_env,
        "SHARDBOARD_ENV": "production",
        "SHARDBOARD_JWT_SECRET": "a-secret-for-production-0123456789",
        "SHARDBOARD_ALLOW_INSECURE": "default-issuer",
    }
    with pytest.raises(ExceptionGroup) as caught:
        await _serve_until_it_ends(environ)
    assert caught.group_contains(Refused, match="replication 1, production needs")
    async with running_gateway({**environ, "SHARDBOARD_ALLOW_UNSAFE_REPLICATION": "1"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")


async def test_one_cancelled_request_leaves_the_others_of_its_batch_their_answer() -> None:
    outcome = BatchOutcome()

    async def wait_for_it() -> object:
        return await outcome

    first, second = asyncio.create_task(wait_for_it()), asyncio.create_task(wait_for_it())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    assert not outcome.done()
    outcome.set_result(Lost.NOT_SENT)
    assert await second is Lost.NOT_SENT
    with pytest.raises(asyncio.CancelledError):
        await first


async def _serve_until_it_ends(environ: dict[str, str]) -> None:
    async with running_gateway(environ) as gateway:
        async with asyncio.timeout(20):
            await asyncio.wait({gateway.serving})


async def _reads_boards(gateway: RunningGateway) -> bool:
    return (await gateway.get("/leaderboard")).status == 200


async def _is_unready(gateway: RunningGateway) -> bool:
    return not await gateway.is_ready()


async def _has_pending(gateway: RunningGateway) -> bool:
    return await gateway.metric("shardboard_actions_pending") > 0
