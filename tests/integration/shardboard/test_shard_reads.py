"""Scores and owners as they are read from real shards."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition, PeriodId, ShardId
from contracts.periods import ALL_TIME
from foundation.settings import ShardAddress
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from shardboard.shard_reads import CHUNK_ROWS, ScoreRow, Shards, ShardUnreachable, find_owners
from tests.support.services import StartValkey

P = 4


async def put_progress(redis: Redis, partition: int, *, state: str = "owned", epoch: int = 1, fenced: int = 0) -> None:
    fields: dict[Any, Any] = {"owner": "x", "state": state, "epoch": epoch, "next_offset": 7, "fenced": fenced}
    await redis.hset(redis_keys.progress(Partition(partition)), mapping=fields)


async def all_scores(shards: Shards, shard: str, *, partition: int) -> list[ScoreRow]:
    chunks = shards.scores(ShardId(shard), Partition(partition), period=ALL_TIME)
    return [row async for rows in chunks for row in rows]


@pytest.fixture
def s1(valkey_url: str) -> tuple[ShardAddress, ...]:
    return (ShardAddress(ShardId("s1"), valkey_url),)


async def test_every_user_of_a_large_partition_is_told_once(valkey: Redis, s1: tuple[ShardAddress, ...]) -> None:
    users = {f"user-{number}": number - 10_000 for number in range(5 * CHUNK_ROWS)}
    await valkey.zadd(redis_keys.scores(Partition(1), ALL_TIME), users)
    await valkey.hset(redis_keys.scored_at(Partition(1), ALL_TIME), "user-7", "1700000000123")
    async with Shards(s1) as shards:
        rows = await all_scores(shards, "s1", partition=1)
    assert len(rows) == len(users)
    assert {row.user_id: row.score for row in rows} == users
    assert {row for row in rows if row.scored_at} == {ScoreRow("user-7", 7 - 10_000, 1700000000123, Partition(1))}


async def test_users_who_join_meanwhile_neither_hide_nor_double_others(
    valkey: Redis, s1: tuple[ShardAddress, ...]
) -> None:
    """The ZSET grows eightfold between two chunks, so that it is rehashed under the scan."""
    key = redis_keys.scores(Partition(1), ALL_TIME)
    first = {f"user-{number}": 1 for number in range(3 * CHUNK_ROWS)}
    await valkey.zadd(key, first)
    told: list[str] = []
    async with Shards(s1) as shards:
        async for rows in shards.scores(ShardId("s1"), Partition(1), period=ALL_TIME):
            told += [row.user_id for row in rows]
            if len(told) <= 2 * CHUNK_ROWS:
                await valkey.zadd(key, {f"late-{number}": 1 for number in range(24 * CHUNK_ROWS)})
    assert len(told) == len(set(told))
    assert set(first) <= set(told)


async def test_ids_of_any_bytes_and_the_largest_score_come_through(valkey: Redis, s1: tuple[ShardAddress, ...]) -> None:
    users = {"zoë ✓": 2**53 - 1, 'quo"te\n': -(2**53) + 1}
    await valkey.zadd(redis_keys.scores(Partition(0), ALL_TIME), users)
    async with Shards(s1) as shards:
        assert {row.user_id: row.score for row in await all_scores(shards, "s1", partition=0)} == users


async def test_an_empty_board_has_no_rows(valkey: Redis, s1: tuple[ShardAddress, ...]) -> None:
    async with Shards(s1) as shards:
        chunks = shards.scores(ShardId("s1"), Partition(0), period=PeriodId("daily:2026-01-01"))
        assert [rows async for rows in chunks] == []


async def test_only_owned_partitions_count_and_the_newer_epoch_wins(
    valkey: Redis, valkey_url: str, start_valkey: Callable[[str], Awaitable[ValkeyServer]]
) -> None:
    """A move has three moments: the target copies; both say owned; the source has forgotten."""
    other = await start_valkey("s2")
    second: Redis = Redis.from_url(other.address)
    await put_progress(valkey, 0)
    await put_progress(valkey, 1, epoch=3)
    await put_progress(second, 1, state="copying", epoch=4)
    await put_progress(valkey, 2, epoch=3)
    await put_progress(second, 2, epoch=4)
    await put_progress(second, 3, epoch=2)
    addresses = (ShardAddress(ShardId("s1"), valkey_url), ShardAddress(ShardId("s2"), other.address))
    async with Shards(addresses) as shards:
        owners = await find_owners(shards, P)
    await second.aclose()
    assert {int(p): (str(owned.shard), owned.progress.epoch) for p, owned in owners.items()} == {
        0: ("s1", 1),
        1: ("s1", 3),
        2: ("s2", 4),
        3: ("s2", 2),
    }


async def test_source_that_a_move_has_fenced_is_no_owner(
    valkey: Redis, valkey_url: str, start_valkey: StartValkey
) -> None:
    """Whichever is asked first: the target is owned at the same epoch as soon as all is there."""
    other = await start_valkey("other")
    async with Redis.from_url(other.address) as second:
        await put_progress(valkey, 0, epoch=2, fenced=1)
        await put_progress(second, 0, epoch=2)
        await put_progress(valkey, 1, epoch=2)
        await put_progress(second, 1, epoch=2, fenced=1)
    async with Shards((ShardAddress(ShardId("s1"), valkey_url), ShardAddress(ShardId("s2"), other.address))) as shards:
        owners = await find_owners(shards, 2)
    assert [owners[Partition(number)].shard for number in range(2)] == ["s2", "s1"]


async def test_a_shard_that_is_away_is_named() -> None:
    url = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    async with Shards((ShardAddress(ShardId("s9"), url),)) as shards:
        with pytest.raises(ShardUnreachable, match=f"s9 at {url}"):
            await shards.owned_by(ShardId("s9"), 1)
