"""Asks all shards of the map at once how they are. One that does not answer becomes a fault, never an exception."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.clock import monotonic_s
from contracts.ids import Partition, ShardId
from contracts.moves import StoredMap
from contracts.periods import ALL_TIME
from contracts.progress import Progress, State, read_progress
from contracts.shard_map import ShardEntry
from foundation.redis_connect import connect
from shardboard.rebalance.figures import Figures, PartitionFigures, ShardFigures

RATE_S: Final = 1.0
"""Between two looks at the positions: what a rate is taken over. Long enough for some hundred batches."""
ANSWER_S_MAX: Final = 10.0
"""For one shard, all of its answers; all shards are asked at once."""
SCAN_KEYS: Final = 1_000
"""Per call: below a millisecond of the server's time."""
_CARDINALITY: Final = {b"zset": "zcard", b"hash": "hlen", b"set": "scard"}


@dataclass(frozen=True, slots=True)
class Asked:
    """How much to find out."""

    every_partition: bool = False
    """Look for state of every partition in every shard, and not only where the map says that it is."""
    sizes: bool = False
    """Count rows and bytes of the partitions that a shard owns: reads the name of each key once."""
    rates: bool = True
    """Look twice, `RATE_S` apart."""


async def gather_figures(stored: StoredMap, asked: Asked) -> Figures:
    """Every shard of the map, as it is now."""
    told = await asyncio.gather(*(_ask(entry, stored, asked=asked) for entry in stored.shards))
    return {each.shard: each for each in told}


async def read_mark(url: str) -> dict[str, str]:
    """Which deployment a Redis belongs to; empty when none. Raises RedisError, OSError."""
    redis = connect(url, connections_max=1)
    try:
        raw: Any = await redis.hgetall(redis_keys.CLUSTER)
    finally:
        await redis.aclose()
    return {name.decode(): value.decode() for name, value in raw.items()}


async def _ask(entry: ShardEntry, stored: StoredMap, *, asked: Asked) -> ShardFigures:
    wanted = _wanted(stored, entry.shard, asked=asked)
    try:
        async with asyncio.timeout(ANSWER_S_MAX), connect(entry.url, connections_max=1) as redis:
            return await _figures(redis, entry.shard, wanted=wanted, asked=asked)
    except TimeoutError:
        return ShardFigures(entry.shard, fault=f"no answer within {ANSWER_S_MAX:.0f} s")
    except (RedisError, OSError, ValueError) as error:
        return ShardFigures(entry.shard, fault=str(error) or type(error).__name__)


def _wanted(stored: StoredMap, shard: ShardId, *, asked: Asked) -> list[Partition]:
    if stored.map is None:
        return []
    return [
        Partition(number)
        for number, owner in enumerate(stored.map.owners)
        if asked.every_partition
        or shard in (owner.shard, *owner.forget)
        or (owner.move is not None and owner.move.target == shard)
    ]


async def _figures(redis: Redis, shard: ShardId, *, wanted: list[Partition], asked: Asked) -> ShardFigures:
    began_s = monotonic_s()
    first = await _look(redis, shard, wanted=wanted)
    sizes = await _sizes(redis, first.partitions) if asked.sizes else {}
    if not asked.rates:
        return _with(first, sizes=sizes, rates={})
    await asyncio.sleep(max(0.0, began_s + RATE_S - monotonic_s()))
    took_s = monotonic_s() - began_s
    second = await _look(redis, shard, wanted=wanted)
    rates = {
        partition: max(0, progress.next_offset - first.held[partition].next_offset) / took_s
        for partition, progress in second.held.items()
        if partition in first.held
    }
    return _with(second, sizes=sizes, rates=rates)


async def _look(redis: Redis, shard: ShardId, *, wanted: list[Partition]) -> ShardFigures:
    """One round trip."""
    pipe = redis.pipeline(transaction=False)
    pipe.info("memory")
    pipe.exists(redis_keys.LEASE)
    for partition in wanted:
        pipe.hgetall(redis_keys.progress(partition))
        pipe.zcard(redis_keys.scores(partition, ALL_TIME))
    memory, lease, *answers = await pipe.execute()
    held: dict[Partition, Progress] = {}
    partitions: dict[Partition, PartitionFigures] = {}
    for partition, fields, users in zip(wanted, answers[::2], answers[1::2], strict=True):
        progress = read_progress({name.decode(): value.decode() for name, value in fields.items()})
        if progress is not None:
            held[partition] = progress
            if progress.state is State.OWNED:
                partitions[partition] = PartitionFigures(users=int(users))
    return ShardFigures(
        shard, memory_bytes=int(memory["used_memory"]), has_worker=bool(lease), held=held, partitions=partitions
    )


async def _sizes(redis: Redis, partitions: Iterable[Partition]) -> dict[Partition, tuple[int, int]]:
    """Rows and bytes of each partition's keys, from what the server samples of them."""
    wanted = {redis_keys.partition_prefix(partition).encode(): partition for partition in partitions}
    rows, sizes = dict.fromkeys(wanted.values(), 0), dict.fromkeys(wanted.values(), 0)
    seen: set[bytes] = set()
    cursor = 0
    while wanted:
        answer: Any = await redis.scan(cursor, match="lb:{*", count=SCAN_KEYS)
        cursor, keys = answer
        fresh = [key for key in dict.fromkeys(keys) if key not in seen]  # a scan may tell a key twice
        seen.update(fresh)
        mine = [(key, wanted[head]) for key in fresh if (head := key[: key.find(b"}") + 2]) in wanted]
        for (_, partition), (size, count) in zip(mine, await _measure(redis, mine), strict=True):
            sizes[partition] += size
            rows[partition] += count
        if not cursor:
            break
    return {partition: (rows[partition], sizes[partition]) for partition in rows}


async def _measure(redis: Redis, keys: list[tuple[bytes, Partition]]) -> list[tuple[int, int]]:
    """Bytes and entries of each key; a key that is gone has none."""
    if not keys:
        return []
    pipe = redis.pipeline(transaction=False)
    for key, _ in keys:
        pipe.memory_usage(key)
        pipe.type(key)
    answers = await pipe.execute()
    pipe = redis.pipeline(transaction=False)
    for (key, _), kind in zip(keys, answers[1::2], strict=True):
        pipe.execute_command(_CARDINALITY.get(kind, "exists"), key)
    counts = await pipe.execute()
    return [(int(size or 0), int(count)) for size, count in zip(answers[::2], counts, strict=True)]


def _with(
    told: ShardFigures, *, sizes: Mapping[Partition, tuple[int, int]], rates: Mapping[Partition, float]
) -> ShardFigures:
    return replace(
        told,
        partitions={
            partition: PartitionFigures(each.users, *sizes.get(partition, (0, 0)), rates.get(partition, 0.0))
            for partition, each in told.partitions.items()
        },
    )
