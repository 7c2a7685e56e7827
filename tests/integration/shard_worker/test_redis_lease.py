"""The lease on a real server: one holder, prolonged while it lives, taken over when it is dropped or runs out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import ShardId
from foundation.service import StopSignal
from shard_worker.redis_lease import Lease
from shard_worker.redis_shard import ShardRedis
from tests.support.wait import wait_until

LEASE_MS = 500


@asynccontextmanager
async def running(redis: Redis, writer: str) -> AsyncIterator[Lease]:
    """A worker's lease with its keeper."""
    lease, stop = Lease(ShardRedis(redis, shard=ShardId("s1"), writer=writer), lease_ms=LEASE_MS), StopSignal()
    keeper = asyncio.create_task(lease.run(stop))
    try:
        yield lease
    finally:
        stop.set()
        await keeper


async def test_second_worker_stands_by_until_the_lease_is_dropped(any_redis: Redis) -> None:
    async with running(any_redis, "second") as second:
        await wait_until(lambda: second.is_held, what="the lease of a free shard")
        async with running(any_redis, "first") as first:
            await wait_until(lambda: first.is_elsewhere, what="the other to stand by")
            assert (second.is_held, first.is_held) == (True, False)
    await second.drop()
    assert not second.is_held
    async with running(any_redis, "first") as first:
        await wait_until(lambda: first.is_held, what="the take-over")
        await second.drop()
        assert await any_redis.get(redis_keys.LEASE) == b"first", "nobody drops another one's lease"


async def test_lease_that_nobody_prolongs_runs_out_on_both_sides(any_redis: Redis) -> None:
    async with running(any_redis, "frozen") as frozen:
        await wait_until(lambda: frozen.is_held, what="the lease of a free shard")
    async with running(any_redis, "standby") as standby:
        await wait_until(lambda: standby.is_held, what="the take-over")
        assert not frozen.is_held


async def test_lease_outlives_its_length_while_it_is_prolonged(any_redis: Redis) -> None:
    async with running(any_redis, "holder") as holder, running(any_redis, "standby") as standby:
        await wait_until(lambda: holder.is_held or standby.is_held, what="a holder")
        first = holder if holder.is_held else standby
        now = asyncio.get_running_loop().time
        began = now()
        await wait_until(lambda: not first.is_held or now() - began > 2 * LEASE_MS / 1000, what="two leases' time")
        assert first.is_held
