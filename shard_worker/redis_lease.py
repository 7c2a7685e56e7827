"""The lease of a shard: decides which of several workers tries to serve it. What they may write, the fence decides."""

from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from contracts.clock import monotonic_s
from foundation.logs import get_log
from foundation.service import StopSignal
from shard_worker.redis_shard import ShardRedis

RENEWALS_PER_LEASE: Final = 4
"""Two renewals may fail before the lease ends."""


class Lease:
    """This process's lease. `is_held` is judged by our own clock, from before each request was sent."""

    def __init__(self, shard: ShardRedis, *, lease_ms: int) -> None:
        self._shard = shard
        self._lease_ms = lease_ms
        self._until_s = float("-inf")
        self.is_elsewhere = False
        """Whether another worker had it when we asked last."""

    @property
    def is_held(self) -> bool:
        """Whether it is certain that the lease is ours now."""
        return monotonic_s() < self._until_s

    async def run(self, stop: StopSignal) -> None:
        """Take the lease as soon as it is free, and prolong it, until `stop` is set."""
        while True:
            try:
                await self._take()
            except (RedisError, OSError) as error:
                get_log().warning("lease_unknown", error=f"{type(error).__name__}: {error}")
            if await stop.sleep(self._lease_ms / 1000 / RENEWALS_PER_LEASE):
                return

    async def drop(self) -> None:
        """Let a standby take over at once. A Redis that does not answer lets it run out."""
        self._until_s = float("-inf")
        with suppress(RedisError, OSError):
            await self._shard.drop_lease()

    async def _take(self) -> None:
        sent_s, was_elsewhere = monotonic_s(), self.is_elsewhere
        is_ours = await self._shard.take_lease(self._lease_ms)
        self._until_s = sent_s + self._lease_ms / 1000 if is_ours else float("-inf")
        self.is_elsewhere = not is_ours
        if was_elsewhere and is_ours:
            get_log().info("taking_over")
        elif self.is_elsewhere and not was_elsewhere:
            get_log().info("standing_by", lease_ms=self._lease_ms)
