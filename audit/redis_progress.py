"""Every partition's totals as the shards' Redis hold them, in one round trip per shard."""

import asyncio
from collections.abc import Mapping

from redis.asyncio import Redis

from audit.compare import StoredTotals
from contracts import redis_keys
from contracts.ids import Partition, ShardId
from contracts.progress import Progress, State, read_progress


async def read_totals(shards: Mapping[ShardId, Redis], partitions: int) -> dict[Partition, StoredTotals]:
    """The owner's totals of each partition that has one: of the newest epoch, and at the same one not those of a source
    that a move has fenced. Raises RedisError when a shard does not answer."""
    newest: dict[Partition, Progress] = {}
    for found in await asyncio.gather(*(_read(redis, partitions) for redis in shards.values())):
        for partition, progress in found.items():
            known = newest.get(partition)
            if known is None or (known.epoch, not known.fenced) < (progress.epoch, not progress.fenced):
                newest[partition] = progress
    return {
        partition: StoredTotals(p.next_offset, p.log_ms, p.points, p.counted, p.last) for partition, p in newest.items()
    }


async def _read(redis: Redis, partitions: int) -> dict[Partition, Progress]:
    pipe = redis.pipeline(transaction=False)
    for number in range(partitions):
        pipe.hgetall(redis_keys.progress(Partition(number)))
    found: dict[Partition, Progress] = {}
    for number, fields in enumerate(await pipe.execute()):
        progress = read_progress({name.decode(): value.decode() for name, value in fields.items()})
        if progress is not None and progress.state is State.OWNED:
            found[Partition(number)] = progress
    return found
