"""Figures of real Redis servers: sizes, positions, rates, workers; a shard that is away is a fault and no exception."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Epoch, Partition, ShardId, Window
from contracts.moves import StoredMap
from contracts.periods import ALL_TIME
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from shardboard.embedded.ports import free_ports
from shardboard.rebalance.gather import Asked, gather_figures, read_mark
from tests.support.services import StartValkey

S1, S2, GONE = ShardId("s1"), ShardId("s2"), ShardId("gone")
P0, P1, P2 = Partition(0), Partition(1), Partition(2)
USERS = 3_000


async def own(redis: Redis, partition: Partition, *, users: int, state: str = "owned") -> None:
    fields: Any = {"state": state, "epoch": "1", "owner": "s", "next_offset": "100"}
    await redis.hset(redis_keys.progress(partition), mapping=fields)
    people = {f"user-{number:05}": number for number in range(users)}
    if people:
        await redis.zadd(redis_keys.scores(partition, ALL_TIME), people)
        times: Any = dict.fromkeys(people, 1)
        await redis.hset(redis_keys.scored_at(partition, ALL_TIME), mapping=times)
        await redis.sadd(redis_keys.seen(partition, Window(1)), *people)


@pytest.fixture
async def stored(start_valkey: StartValkey) -> StoredMap:
    first, second = await start_valkey("s1"), await start_valkey("s2")
    async with Redis.from_url(first.address) as s1, Redis.from_url(second.address) as s2:
        await s1.set(redis_keys.LEASE, "worker")
        await s1.hset(redis_keys.CLUSTER, "deployment", "d")
        await own(s1, P0, users=USERS)
        await own(s1, P1, users=10)
        await own(s2, P1, users=5, state="copying")
        await own(s2, P2, users=0)
    owners = (Ownership(S1, Epoch(1)), Ownership(S1, Epoch(1), move=Move(Epoch(2), S2)), Ownership(S2, Epoch(1)))
    nowhere = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    entries = (ShardEntry(GONE, nowhere, 100), ShardEntry(S1, first.address, 100), ShardEntry(S2, second.address, 100))
    return StoredMap(1, ShardMap(1, owners), entries)


async def test_figures_tell_users_sizes_and_workers(stored: StoredMap) -> None:
    told = await gather_figures(stored, Asked(sizes=True, rates=False))
    first = told[S1].partitions[P0]
    assert (first.users, first.rows) == (USERS, 3 * USERS + 4)
    assert first.bytes > 100 * USERS, "three entries of each user"
    assert (told[S1].partitions[P1].users, told[S1].has_worker) == (10, True)
    assert told[S1].memory_bytes > first.bytes
    assert (set(told[S2].held), set(told[S2].partitions), told[S2].has_worker) == ({P1, P2}, {P2}, False)


async def test_a_shard_that_is_away_is_told_as_such(stored: StoredMap) -> None:
    told = await gather_figures(stored, Asked(rates=False))
    assert told[GONE].fault
    assert (told[GONE].partitions, told[GONE].has_worker) == ({}, False)
    broken = replace(stored, shards=(ShardEntry(S1, "nonsense", 100),))
    assert "scheme" in (await gather_figures(broken, Asked(rates=False)))[S1].fault


async def test_only_where_the_map_says_unless_everywhere_is_asked(stored: StoredMap) -> None:
    async with Redis.from_url(stored.url_of(S2) or "") as s2:
        await own(s2, P0, users=1)
    assert P0 not in (await gather_figures(stored, Asked(rates=False)))[S2].held
    assert P0 in (await gather_figures(stored, Asked(rates=False, every_partition=True)))[S2].held


async def test_rates_are_records_per_second_between_two_looks(stored: StoredMap) -> None:
    async with Redis.from_url(stored.url_of(S1) or "") as s1:
        looking = asyncio.create_task(gather_figures(stored, Asked()))
        key = redis_keys.progress(P0)
        while not looking.done():
            await s1.hincrby(key, "next_offset", 10)
        told = await looking
        end = int(await s1.hget(key, "next_offset") or 0)
    assert 0 < told[S1].partitions[P0].records_per_s <= end - 100
    assert told[S1].partitions[P1].records_per_s == 0


async def test_a_mark_is_read_or_empty(stored: StoredMap) -> None:
    assert await read_mark(stored.url_of(S1) or "") == {"deployment": "d"}
    assert await read_mark(stored.url_of(S2) or "") == {}


async def test_without_a_map_shards_are_asked_all_the_same(stored: StoredMap) -> None:
    told = await gather_figures(replace(stored, map=None), Asked(rates=False))
    assert (told[S1].has_worker, told[S1].held) == (True, {})
