"""Whole deployments for benchmarks: shards with their workers, merger and gateways on servers of their own, which all
end with the block; and how far they are."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from bench.gateway_process import GatewayGround, Served
from bench.ground import Ground
from contracts import redis_keys
from contracts.clock import monotonic_s, now_ms
from contracts.ids import Partition

PARTITIONS: Final = 64
"""As `up` makes them, so that every shard has some."""
APPLIED_S_MAX: Final = 60.0
_LOOK_AGAIN_S: Final = 0.004


class NotApplied(Exception):
    """Actions stayed in the log."""


@dataclass(slots=True)
class Whole:
    """What runs."""

    grounded: GatewayGround
    partitions: int
    workers: dict[str, Served] = field(default_factory=dict)
    merger: Served | None = None
    gateway: Served | None = None

    async def log_ends(self) -> int:
        """How many records the log has, over all partitions."""
        topics = [TopicPartition(self.grounded.topic, number) for number in range(self.partitions)]
        async with AIOKafkaConsumer(bootstrap_servers=self.grounded.kafka) as consumer:
            return sum((await consumer.end_offsets(topics)).values())

    @property
    def pids(self) -> list[int]:
        """Of our own processes."""
        served = [*self.workers.values(), *([self.merger] if self.merger else [])]
        return [one.pid for one in [*served, *([self.gateway] if self.gateway else [])]]


@asynccontextmanager
async def whole(
    ground: Ground,
    name: str,
    *,
    shards: int = 1,
    partitions: int = PARTITIONS,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[tuple[Whole, AsyncExitStack]]:
    """Servers and topics, nothing of ours yet: `start_…` begins what is wanted, until the block ends."""
    async with AsyncExitStack() as running:
        cache, *addresses = [(await ground.valkey(running)).address for _ in range(shards + 1)]
        grounded = GatewayGround(
            ground, kafka=await ground.kafka(), cache=cache, shards=addresses, name=f"{name}-{now_ms()}"
        )
        grounded.environ |= environ or {}
        await grounded.create_topics(partitions)
        yield Whole(grounded, partitions), running


async def start_workers(found: Whole, running: AsyncExitStack) -> None:
    """One for each shard, all at the same time."""
    shards = list(found.grounded.shards)
    served = await asyncio.gather(
        *(
            running.enter_async_context(found.grounded.service("shard_worker", SHARDBOARD_SHARD=shard))
            for shard in shards
        )
    )
    found.workers = dict(zip(shards, served, strict=True))


async def start_rest(found: Whole, running: AsyncExitStack) -> None:
    """Merger and gateway."""
    found.merger = await running.enter_async_context(found.grounded.service("merger"))
    found.gateway = await running.enter_async_context(found.grounded.gateway())


class Progress:
    """How far the shards have applied the log, looked up in their Redis."""

    def __init__(self, shards: Sequence[Redis], partitions: int) -> None:
        self._shards = shards
        self._keys = [redis_keys.progress(Partition(p)) for p in range(partitions)]

    async def applied(self) -> int | None:
        """Records, over all partitions; None while nobody has claimed one."""
        found = await asyncio.gather(*(self._of(redis) for redis in self._shards))
        offsets = [offset for some in found for offset in some]
        return sum(offsets) if offsets else None

    async def until(self, records: int) -> float:
        """The moment (monotonic seconds) at which so many are applied. Raises NotApplied."""
        deadline_s = monotonic_s() + APPLIED_S_MAX
        applied = None
        while monotonic_s() < deadline_s:
            applied = await self.applied()
            if applied is not None and applied >= records:
                return monotonic_s()
            await asyncio.sleep(_LOOK_AGAIN_S)
        raise NotApplied(f"{applied} of {records} records were applied in {APPLIED_S_MAX:.0f} s")

    async def _of(self, redis: Redis) -> list[int]:
        async with redis.pipeline(transaction=False) as pipe:
            for key in self._keys:
                pipe.hget(key, "next_offset")
            return [int(offset) for offset in await pipe.execute() if offset is not None]


@asynccontextmanager
async def progress_of(found: Whole) -> AsyncIterator[Progress]:
    """With connections of its own."""
    async with AsyncExitStack() as open_ones:
        redis = [await open_ones.enter_async_context(Redis.from_url(url)) for url in found.grounded.shards.values()]
        yield Progress(redis, found.partitions)
