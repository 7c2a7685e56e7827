"""Closed boards leave the shards, on real Valkey and real Redis 7: only from partitions that may be touched."""

from typing import Any

from archiver.redis_sweep import Sweep
from contracts import redis_keys
from contracts.ids import Offset, Partition, PeriodId, ShardId
from foundation.mapped_shards import MappedShards
from foundation.settings import ShardAddress

CLOSED, RUNNING = PeriodId("daily:2026-01-30"), PeriodId("daily:2026-01-31")
ENDS = {CLOSED: [Offset(10)] * 6}
STATES: dict[int, dict[str, Any]] = {
    0: {"state": "owned", "fenced": "0", "next_offset": "10"},
    1: {"state": "owned", "fenced": "1", "next_offset": "10"},
    2: {"state": "copying", "fenced": "0", "next_offset": "10"},
    3: {"state": "owned", "fenced": "0", "next_offset": "9"},
    4: {},
    5: {"state": "owned", "fenced": "0", "next_offset": "11"},
}


async def fill(redis: Any) -> None:
    await redis.hset(redis_keys.CLUSTER, "deployment", "here")
    for p, progress in STATES.items():
        for period in (CLOSED, RUNNING):
            await redis.zadd(redis_keys.scores(Partition(p), period), {"ann": 1})
            await redis.hset(redis_keys.scored_at(Partition(p), period), "ann", "1")
        if progress:
            await redis.hset(redis_keys.progress(Partition(p)), mapping=progress)


async def boards(redis: Any, period: PeriodId) -> set[int]:
    found = [p for p in STATES if await redis.exists(redis_keys.scores(Partition(p), period))]
    assert found == [p for p in STATES if await redis.exists(redis_keys.scored_at(Partition(p), period))]
    return set(found)


async def test_drops_closed_boards_where_it_may(any_redis: Any, any_redis_url: str) -> None:
    await fill(any_redis)
    away = ShardAddress(ShardId("s2"), "redis://127.0.0.1:1/0")
    sweep = Sweep(MappedShards([ShardAddress(ShardId("s1"), any_redis_url), away]))
    try:
        assert await sweep.run(ENDS, deployment="here") == 2
        assert await boards(any_redis, CLOSED) == {1, 2, 3, 4}
        assert await boards(any_redis, RUNNING) == set(STATES)
        await any_redis.function_flush()
        await any_redis.hset(redis_keys.progress(Partition(3)), "next_offset", "10")
        assert await sweep.run(ENDS, deployment="here") == 1
        assert await boards(any_redis, CLOSED) == {1, 2, 4}
    finally:
        await sweep.close()


async def test_leaves_another_deployments_redis_alone(any_redis: Any, any_redis_url: str) -> None:
    await fill(any_redis)
    sweep = Sweep(MappedShards([ShardAddress(ShardId("s1"), any_redis_url)]))
    try:
        assert await sweep.run(ENDS, deployment="elsewhere") == 0
    finally:
        await sweep.close()
    assert await boards(any_redis, CLOSED) == set(STATES)
