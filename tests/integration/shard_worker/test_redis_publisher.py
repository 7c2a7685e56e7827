"""What a worker publishes into a real cache: never older than what is there, never without the lease."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow
from contracts.tops import Position, ShardTop, decode_shard_top, encode_top
from foundation.service import StopSignal
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.local_top import BoardView
from shard_worker.redis_publisher import RedisPublisher, Snapshot
from tests.support.shard_tops import shard_top
from tests.support.wait import wait_until

SHARD = ShardId("s1")
ALL_TIME = PeriodId("all_time")
P = Partition(0)


def at(offset: int, **scores: int) -> Snapshot:
    """The partition at this offset of a longer log, with these scores."""
    rows = tuple(TopRow(UserId(user), score, LogMs(1), P) for user, score in scores.items())
    position = Position(P, Epoch(2), Offset(offset), LogMs(offset))
    return Snapshot(1, (position,), (BoardView(ALL_TIME, rows, is_cut=False),), {P: Offset(100)})


@asynccontextmanager
async def publishing(cache: Redis, may_publish: Callable[[], bool] = lambda: True) -> AsyncIterator[RedisPublisher]:
    publisher = RedisPublisher(
        cache, shard=SHARD, shown=3, interval_s=0.002, may_publish=may_publish, metrics=WorkerMetrics(SHARD)
    )
    stop = StopSignal()
    task = asyncio.create_task(publisher.run(stop), name="publisher")
    try:
        yield publisher
    finally:
        stop.set()
        await task


async def published(cache: Redis) -> ShardTop | None:
    data = await cache.hget(redis_keys.SHARD_TOPS, SHARD)
    assert not isinstance(data, str)
    return decode_shard_top(data) if data else None


async def until_published(cache: Redis, **scores: int) -> ShardTop:
    async def is_there() -> bool:
        top = await published(cache)
        return top is not None and {row.user_id: row.score for row in top.boards[0].rows} == scores

    await wait_until(is_there, timeout_s=20, what=f"{scores} to be published")
    top = await published(cache)
    assert top is not None
    return top


async def store(cache: Redis, top: ShardTop) -> None:
    await cache.hset(redis_keys.SHARD_TOPS, top.shard, encode_top(top))


async def test_incarnation_grows_though_the_clock_is_behind(valkey: Redis) -> None:
    ahead = now_ms() + 10**9
    before = shard_top(SHARD, {P: (1, 5)}, boards={ALL_TIME: {"ada": 5}}, sequence=900)
    await store(valkey, msgspec.structs.replace(before, incarnation=ahead))
    async with publishing(valkey) as publisher:
        publisher.offer(at(6, ada=6), is_changed=True)
        top = await until_published(valkey, ada=6)
    assert top.order == (ahead + 1, 1)


async def test_a_worker_that_takes_over_again_is_newer_than_the_one_between(valkey: Redis) -> None:
    """First, second, first again: its tops would be ignored as older than the second's."""
    async with publishing(valkey) as first:
        first.offer(at(1, ada=1), is_changed=True)
        await until_published(valkey, ada=1)
        first.offer(None, is_changed=False)
        async with publishing(valkey) as second:
            second.offer(at(2, ada=2), is_changed=True)
            between = await until_published(valkey, ada=2)
        first.begin()
        first.offer(at(3, ada=3), is_changed=True)
        again = await until_published(valkey, ada=3)
    assert again.order > between.order


async def test_first_publication_is_not_older_than_what_another_shard_published(valkey: Redis) -> None:
    """The partition came from s2, which was further: its rows are carried until the worker is there."""
    await store(valkey, shard_top("s2", {P: (1, 9)}, boards={ALL_TIME: {"ada": 9}}, sequence=1))
    async with publishing(valkey) as publisher:
        publisher.offer(at(7, ada=7), is_changed=True)
        top = await until_published(valkey, ada=9)
        assert [(p.epoch, p.next_offset, p.is_catching_up) for p in top.positions] == [(2, 9, True)]
        assert publisher.catching_up == {P}
        publisher.offer(at(10, ada=10), is_changed=True)
        top = await until_published(valkey, ada=10)
        assert [(p.epoch, p.next_offset, p.is_catching_up) for p in top.positions] == [(2, 10, False)]


async def test_nothing_is_published_without_the_lease(valkey: Redis) -> None:
    asked, is_held = 0, False

    def may_publish() -> bool:
        nonlocal asked
        asked += 1
        return is_held

    async with publishing(valkey, may_publish) as publisher:
        publisher.offer(at(1, ada=1), is_changed=True)

        async def is_decided() -> bool:
            return asked > 3 or await published(valkey) is not None

        await wait_until(is_decided, timeout_s=20, what="the publisher to ask again and again")
        assert await published(valkey) is None
        is_held = True
        await until_published(valkey, ada=1)


async def test_emptied_cache_gets_the_newest_top_with_the_next_beat(valkey: Redis) -> None:
    async with publishing(valkey) as publisher:
        publisher.offer(at(1, ada=1), is_changed=True)
        before = await until_published(valkey, ada=1)
        await valkey.flushall()
        publisher.offer(at(2, ada=2), is_changed=False)
        after = await until_published(valkey, ada=2)
    assert after.order > before.order
