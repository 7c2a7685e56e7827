"""The way to the shards: what is not here is asked for again, what is away is said to be, another's is not read."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contracts import redis_keys
from contracts.board_reads import STANDING, Standing, decode_standings
from contracts.ids import Partition, UserId
from contracts.moves import StoredMap
from contracts.periods import ALL_TIME
from contracts.shard_map import ShardEntry
from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from gateway.redis_shards import Question, ShardReads, ShardsAway
from tests.support.ranked_boards import Ground, ranked_boards
from tests.support.services import StartValkey

PARTITIONS = 8
P = Partition(0)


@pytest.fixture
async def ground(valkey_url: str) -> AsyncIterator[Ground]:
    async with ranked_boards(valkey_url, shards=2, partitions=PARTITIONS) as ground:
        yield ground


def question(*users: str) -> Question[tuple[Standing | bool, ...]]:
    asked = [UserId(user) for user in users]
    return Question(
        STANDING, decode_standings, ALL_TIME, each={"users": {Partition(p): asked for p in range(PARTITIONS)}}
    )


async def test_a_partition_that_is_restored_or_a_leftover_is_not_here(ground: Ground) -> None:
    redis = ground.redis[ground.owner(P)]
    for field, value in (("state", "restoring"), ("state", "copying"), ("epoch", "0")):
        await redis.hset(redis_keys.progress(P), field, value)
        with pytest.raises(ShardsAway, match=r"Partitions \[0\] could not be read"):
            await ground.reads.ask(question("ada"), [P, Partition(1)])
        await redis.hset(redis_keys.progress(P), mapping={"state": "owned", "epoch": "1"})
    assert set(await ground.reads.ask(question("ada"), [P, Partition(1)])) == {0, 1}


async def test_a_new_map_is_followed_while_the_question_waits(ground: Ground) -> None:
    source = ground.owner(P)
    target = next(shard for shard in ground.shards if shard != source)
    await ground.put({f"user-{n}": (n, 1) for n in range(20)})
    await ground.copy(P, target)
    await ground.own(P, target)
    await ground.forget(P, source)
    asking = asyncio.create_task(ground.reads.ask(question("user-1"), [P]))
    await asyncio.sleep(0)
    ground.maps.take(ground.switch(P, target))
    assert (await asking)[P].users > 0


async def test_a_shard_that_is_away_is_named_at_once_and_found_again(start_valkey: StartValkey, ground: Ground) -> None:
    server = await start_valkey("s1")
    entries = (ShardEntry(ground.shards[0], server.address, 100), ground.stored.shards[1])
    maps = MapFollower(MapStore("postgresql://nowhere", name="test"))
    maps.take(replace(ground.stored, shards=entries))
    reads = ShardReads(maps)
    of_s1, of_s2 = (next(p for p in map(Partition, range(PARTITIONS)) if ground.owner(p) == s) for s in ground.shards)
    try:
        with pytest.raises(ShardsAway, match=r"Shards away: s1"):  # it has no functions: nobody serves there
            await reads.ask(question("ada"), [of_s1])
        await server.stop()
        with pytest.raises(ShardsAway, match=r"Shards away: s1"):
            await reads.ask(question("ada"), [of_s1, of_s2])
        assert set(await reads.ask(question("ada"), [of_s2])) == {of_s2}
    finally:
        await reads.close()


async def test_a_frozen_shard_holds_nobody_up_for_ever(ground: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        maps = MapFollower(MapStore("postgresql://nowhere", name="test"))
        maps.take(replace(ground.stored, shards=tuple(replace(entry, url=url) for entry in ground.stored.shards)))
        reads = ShardReads(maps)
        with pytest.raises(ShardsAway):
            async with asyncio.timeout(10):
                await reads.ask(question("ada"), [P])
        await reads.close()


async def test_another_deployments_shard_is_not_read(ground: Ground) -> None:
    ground.reads.deployment = "ours"
    await ground.redis[ground.owner(P)].hset(redis_keys.CLUSTER, "deployment", "theirs")
    with pytest.raises(ShardsAway, match="Shards away"):
        await ground.reads.ask(question("ada"), [P])
    await ground.redis[ground.owner(P)].hset(redis_keys.CLUSTER, "deployment", "ours")
    assert set(await ground.reads.ask(question("ada"), [P])) == {0}


async def test_without_a_map_nothing_can_be_asked() -> None:
    maps = MapFollower(MapStore("postgresql://nowhere", name="test"))
    reads = ShardReads(maps)
    for stored in (None, StoredMap(0, None, ())):
        if stored is not None:
            maps.take(stored)
        with pytest.raises(ShardsAway, match="no shard map"):
            reads.newest_map()
        with pytest.raises(ShardsAway, match="no shard map"):
            await reads.ask(question("ada"), [P])
