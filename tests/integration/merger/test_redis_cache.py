"""The merger's side of the cache on both servers: compare-and-set, expiry, announcements, and what is damaged."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from contracts.clock import now_ms
from contracts.ids import PeriodId, ShardId
from contracts.redis_keys import SHARD_TOPS, TOP_CHANGED, TOP_VERSION, top
from contracts.tops import GlobalTop
from merger.redis_cache import BoardWrite, MergerCache
from tests.support.shard_tops import FakeShard

ALL_TIME, DAILY = PeriodId("all_time"), PeriodId("daily:2026-11-24")


@pytest.fixture
async def cache(any_redis: Redis, any_redis_url: str) -> AsyncIterator[MergerCache]:
    cache = MergerCache(any_redis_url)
    await cache.open()
    yield cache
    await cache.close()


def board(period: PeriodId, version: int) -> GlobalTop:
    return GlobalTop(
        period=period, version=version, positions=(), rows=(), ranks=(), complete=True, as_of_ms=None, published_at_ms=1
    )


async def test_boards_are_written_together_on_the_known_version(any_redis: Redis, cache: MergerCache) -> None:
    expires = now_ms() + 60_000
    writes = [BoardWrite(board(ALL_TIME, 2**50), None), BoardWrite(board(DAILY, 2**50 + 1), expires)]
    written = await cache.write_boards(writes, known_version=0)
    assert (written.accepted, written.version) == (True, 2**50 + 1)
    read = await cache.read_boards([ALL_TIME, DAILY, PeriodId("weekly:2026-W48")])
    assert (read.version, read.boards) == (
        2**50 + 1,
        {ALL_TIME: board(ALL_TIME, 2**50), DAILY: board(DAILY, 2**50 + 1)},
    )
    assert await any_redis.pexpiretime(top(DAILY)) == expires
    assert await any_redis.xlen(TOP_CHANGED) == 2


async def test_write_on_another_version_is_refused_whole_and_told_the_version(
    any_redis: Redis, cache: MergerCache
) -> None:
    await cache.write_boards([BoardWrite(board(ALL_TIME, 2**50), None)], known_version=0)
    refused = await cache.write_boards([BoardWrite(board(DAILY, 2**51), None)], known_version=7)
    assert (refused.accepted, refused.version) == (False, 2**50)
    assert await any_redis.exists(top(DAILY)) == 0
    assert await any_redis.xlen(TOP_CHANGED) == 1


async def test_damaged_version_and_board_count_as_absent(any_redis: Redis, cache: MergerCache) -> None:
    await any_redis.set(TOP_VERSION, "junk")
    await any_redis.set(top(ALL_TIME), b"junk")
    read = await cache.read_boards([ALL_TIME])
    assert (read.version, read.boards, [bad.name for bad in read.bad]) == (0, {}, ["all_time"])
    assert (await cache.write_boards([BoardWrite(board(ALL_TIME, 5), None)], known_version=0)).accepted
    assert await any_redis.get(TOP_VERSION) == b"5"


async def test_only_changes_after_the_skip_are_told(any_redis: Redis, cache: MergerCache) -> None:
    await FakeShard(any_redis, "s1", partition=0).publish(ada=1)
    await cache.skip_changes()
    assert await cache.wait_for_changes(1) == set()
    two = FakeShard(any_redis, "s2", partition=1)
    await two.publish(bob=1)
    await two.publish(bob=2)
    assert await cache.wait_for_changes(1_000) == {"s2"}
    assert await cache.wait_for_changes(1) == set()
    assert sorted(t.shard for t in (await cache.read_all_tops()).tops) == ["s1", "s2"]


async def test_damaged_top_is_told_apart_from_good_ones(any_redis: Redis, cache: MergerCache) -> None:
    await FakeShard(any_redis, "s1", partition=0).publish(ada=1)
    await any_redis.hset(SHARD_TOPS, mapping={"s2": b"junk", "Not A Shard": b"junk"})
    read = await cache.read_all_tops()
    assert ([t.shard for t in read.tops], sorted(bad.name for bad in read.bad)) == (["s1"], ["Not A Shard", "s2"])
    assert (await cache.read_tops([ShardId("s3")])).tops == ()


async def test_beat_tells_readers_and_returns_the_version(any_redis: Redis, cache: MergerCache) -> None:
    assert await cache.beat(123) == 0
    await any_redis.set(TOP_VERSION, "9")
    assert await cache.beat(124) == 9
    assert await any_redis.xlen(TOP_CHANGED) == 2
