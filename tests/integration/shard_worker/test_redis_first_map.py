"""A first map is made only where no shard's Redis speaks against it."""

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition, ShardId
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from foundation.settings import ShardAddress
from partitioning.ring import static_map
from shard_worker.redis_first_map import first_map

MARK = ClusterMark("d", "t", 8, "all_time", 900_000)
SHARDS = [ShardId("s1"), ShardId("s2")]


@pytest.fixture
async def addresses(valkey: Redis, redis7: Redis, valkey_url: str, redis7_url: str) -> list[ShardAddress]:
    return [ShardAddress(SHARDS[0], valkey_url), ShardAddress(SHARDS[1], redis7_url)]


async def hold(redis: Redis, partition: int, *, state: str = "owned", epoch: int = 1) -> None:
    await redis.hset(redis_keys.progress(Partition(partition)), mapping={"state": state, "epoch": str(epoch)})


async def test_empty_shards_and_those_that_fit_get_one(addresses: list[ShardAddress], valkey: Redis) -> None:
    expected = static_map(8, SHARDS)
    assert await first_map(addresses, MARK) == expected
    mine = next(p for p, owner in enumerate(expected.owners) if owner.shard == SHARDS[0])
    await hold(valkey, mine)
    assert await first_map(addresses, MARK) == expected


async def test_known_map_is_rebuilt_and_not_made_anew(addresses: list[ShardAddress], redis7: Redis) -> None:
    await redis7.hset(redis_keys.LAST_MAP, "version", "9")
    with pytest.raises(Refused, match=r"the Redis of shard s2 knows one: the map was lost: run `shardboard db rebuild"):
        await first_map(addresses, MARK)


async def test_partitions_that_moved_once_are_not_given_away(addresses: list[ShardAddress], redis7: Redis) -> None:
    await hold(redis7, 3, state="copying", epoch=2)
    with pytest.raises(Refused, match="shard s2 holds partition 3 at epoch 2"):
        await first_map(addresses, MARK)


async def test_map_of_fewer_shards_that_was_never_stored_is_not_contradicted(
    addresses: list[ShardAddress], valkey: Redis
) -> None:
    """A shard was added to a deployment that had no stored map."""
    theirs = next(p for p, owner in enumerate(static_map(8, SHARDS).owners) if owner.shard == SHARDS[1])
    await hold(valkey, theirs)
    with pytest.raises(Refused, match=f"shard s1 owns partition {theirs}, which the first map would give to s2"):
        await first_map(addresses, MARK)
