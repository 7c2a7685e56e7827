"""The first shard map of a deployment, made only where no shard holds anything that speaks against it."""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition, ShardId
from contracts.progress import Progress, State, read_progress
from contracts.shard_map import FIRST_EPOCH, ShardMap
from foundation.redis_cluster_mark import ClusterMark
from foundation.redis_connect import connect
from foundation.service import Refused
from foundation.settings import ShardAddress
from partitioning.ring import static_map

REMEDY = "the map was lost: run `shardboard db rebuild-map`"


async def first_map(shards: Sequence[ShardAddress], mark: ClusterMark) -> ShardMap:
    """Consistent hashing over these shards. All of them must answer, so that a map that was lost with Postgres is
    rebuilt from what they hold, not made anew beside it.

    Raises Refused, RedisError.
    """
    shard_map = static_map(mark.partitions, [address.shard for address in shards])
    for fault in await asyncio.gather(*(_fault_of(address, shard_map) for address in shards)):
        if fault is not None:
            raise Refused(f"Postgres has no shard map, but {fault}: {REMEDY}")
    return shard_map


async def _fault_of(address: ShardAddress, shard_map: ShardMap) -> str | None:
    redis = connect(address.url, connections_max=1)
    try:
        if await redis.exists(redis_keys.LAST_MAP):
            return f"the Redis of shard {address.shard} knows one"
        for partition, progress in (await _held(redis, shard_map.partitions)).items():
            fault = misfit(progress, owner=shard_map.owners[partition].shard, shard=address.shard)
            if fault is not None:
                return f"shard {address.shard} {fault.format(partition=partition)}"
    finally:
        await redis.aclose()
    return None


def misfit(progress: Progress, *, owner: ShardId, shard: ShardId) -> str | None:
    """Why what `shard` holds does not fit a first map that gives the partition, {partition}, to `owner`; or None."""
    if progress.epoch > FIRST_EPOCH:
        return f"holds partition {{partition}} at epoch {progress.epoch}"
    if progress.state is State.OWNED and owner != shard:
        return f"owns partition {{partition}}, which the first map would give to {owner}"
    return None


async def _held(redis: Redis, partitions: int) -> dict[int, Progress]:
    async with redis.pipeline(transaction=False) as pipe:
        for number in range(partitions):
            pipe.hgetall(redis_keys.progress(Partition(number)))
        answers = await pipe.execute()
    found = {
        number: read_progress({field.decode(): value.decode() for field, value in raw.items()})
        for number, raw in enumerate(answers)
    }
    return {number: progress for number, progress in found.items() if progress is not None}
