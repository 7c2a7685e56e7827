"""What an apply call promises as a whole: everything of a round in one call per partition, nothing by a clock, and no
position beyond a record whose dead letter Kafka has not acknowledged. On real Valkey and real Redis 7."""

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, UserId
from contracts.record import AdjustRecord, EraseRecord, HideRecord, Limits, Record, encode
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import DeadRecord, Position
from shard_worker.redis_applier import Applier
from shard_worker.replies import Claimed
from tests.integration.shard_worker.test_redis_applier import ALL, BY, T0, P, Rig, W
from tests.support.apply_model import LogRecord

Q = Partition(P + 1)
START = Position(Offset(0), LogMs(0))


@pytest.fixture
async def rig(any_redis: Redis) -> Rig:
    rig = Rig(any_redis)
    for partition in (P, Q):
        assert isinstance(await rig.shard.claim(partition, Epoch(1), begin=Offset(0)), Claimed)
    return rig


async def test_round_is_one_call_for_each_partition_and_nothing_else(rig: Rig, any_redis: Redis) -> None:
    """As the server sees it: whatever else were written, before or after, could be lost or stand alone."""
    hide = HideRecord(id=ActionId("h"), user_id=UserId("a"), **BY)
    records: list[Record] = [
        rig.act(5, name="Ann"),
        hide,
        rig.act(1, limits=Limits(cap_per_day=2), keep_until=T0 + 9 * W),
    ]
    log = [LogRecord(n, T0, b"k", encode(record)) for n, record in enumerate(records)]
    batches = [rig.folder.fold(partition, log, before=START) for partition in (P, Q)]
    async with any_redis.monitor() as monitor:
        await rig.applier.run(batches, {P: Epoch(1), Q: Epoch(1)})
        await any_redis.echo("over")
        seen: list[str] = []
        async for command in monitor.listen():
            if command["client_type"] != "lua" and not command["command"].startswith(("HELLO", "CLIENT")):
                seen.append(command["command"])
            if command["command"] == "ECHO over":
                break
    assert [" ".join(command.split(" ")[:4]) for command in seen] == [
        f"FCALL sb1_apply 1 lb:{{{P}}}:", f"FCALL sb1_apply 1 lb:{{{Q}}}:", "ECHO over",
    ]  # fmt: skip
    for partition in (P, Q):
        progress = await rig.shard.progress(partition)
        assert progress is not None
        assert (progress.next_offset, progress.counted) == (3, 2)


async def test_nothing_of_a_partition_ends_by_a_clock(rig: Rig) -> None:
    await rig.send(
        rig.act(5, name="Ann", limits=Limits(2, 5), keep_until=T0 + 9 * W),
        HideRecord(id=ActionId("h"), user_id=UserId("b"), **BY),
        EraseRecord(id=ActionId("e"), user_id=UserId("c"), **BY),
        rig.act(5, user="b"),
    )
    keys = [key async for key in rig.redis.scan_iter(match=f"lb:{{{P}}}:*")]
    assert len(keys) >= 12
    assert {key: await rig.redis.pttl(key) for key in keys} == dict.fromkeys(keys, -1)


async def test_only_actions_move_scored_at(rig: Rig) -> None:
    adjust = AdjustRecord(id=ActionId("j"), user_id=UserId("a"), points=3, at=T0, **BY)
    await rig.send(rig.act(5))
    await rig.send(adjust, at=T0 + 9)
    assert (await rig.score(), await rig.redis.hget(redis_keys.scored_at(P, ALL), "a")) == (8, b"%d" % T0)


async def test_offset_stays_before_a_bad_record_until_its_dead_letter_is_acknowledged(rig: Rig) -> None:
    async def refuse(dead: Sequence[DeadRecord]) -> None:
        raise KafkaTimeoutError(f"{len(dead)} letters")

    log = [LogRecord(0, T0, b"k", encode(rig.act(5))), LogRecord(1, T0, b"k", b"{")]
    batches = rig.folder.fold_all(P, log, before=START)
    applier = Applier(rig.shard, rig.folder, top=rig.top, divert=refuse, breaker=DeadBreaker())
    with pytest.raises(KafkaTimeoutError):
        await applier.run(batches, {P: Epoch(1)})
    progress: Any = await rig.shard.progress(P)
    assert (progress.next_offset, await rig.score()) == (0, None)
    await rig.applier.run(batches, {P: Epoch(1)})
    progress = await rig.shard.progress(P)
    assert (progress.next_offset, await rig.score(), len(rig.dead)) == (2, 5, 1)
