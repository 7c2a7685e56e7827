"""Reads of the shards' Redis for commands: who owns which partition, and every score of a board in bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final, Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.ids import Partition, PeriodId, ShardId
from contracts.progress import Progress, State, read_progress
from foundation.redis_connect import connect
from foundation.settings import ShardAddress

CHUNK_ROWS: Final = 2_000
"""Users per call: some 100 KB, and below a millisecond of the server's time."""


class ShardUnreachable(Exception):
    """A shard's Redis did not answer; the message names it."""


@dataclass(frozen=True, slots=True)
class Owned:
    """A partition where its scores are."""

    shard: ShardId
    progress: Progress


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One user's score. `scored_at` is 0 for somebody who only ever lost points."""

    user_id: str
    score: int
    scored_at: int
    partition: Partition


class Shards:
    """Connections to the shards. An async context manager."""

    def __init__(self, addresses: tuple[ShardAddress, ...]) -> None:
        self._redis = {address.shard: connect(address.url, connections_max=2) for address in addresses}
        self._urls = {address.shard: address.url for address in addresses}
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for redis in self._redis.values():
            self._exit.push_async_callback(redis.aclose)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exit.aclose()

    @property
    def ids(self) -> tuple[ShardId, ...]:
        """The shards, in the order of the settings."""
        return tuple(self._redis)

    async def partitions(self) -> int | None:
        """P as the shards' Redis hold it; None when no worker has been there yet. Raises ShardUnreachable."""
        for shard in self._redis:
            number = await self.ask(shard, lambda redis: redis.hget(redis_keys.CLUSTER, "partitions"))
            if number is not None:
                return int(number)
        return None

    async def owned_by(self, shard: ShardId, partitions: int) -> dict[Partition, Progress]:
        """The partitions whose progress in this shard's Redis says owned. Raises ShardUnreachable."""
        held = await self.held_by(shard, partitions)
        return {partition: progress for partition, progress in held.items() if progress.state is State.OWNED}

    async def held_by(self, shard: ShardId, partitions: int) -> dict[Partition, Progress]:
        """The partitions that have any progress in this shard's Redis. Raises ShardUnreachable."""

        async def read(redis: Redis) -> Any:
            pipe = redis.pipeline(transaction=False)
            for number in range(partitions):
                pipe.hgetall(redis_keys.progress(Partition(number)))
            return await pipe.execute()

        found = {}
        for number, fields in enumerate(await self.ask(shard, read)):
            progress = read_progress({key.decode(): value.decode() for key, value in fields.items()})
            if progress is not None:
                found[Partition(number)] = progress
        return found

    async def scores(self, shard: ShardId, partition: Partition, *, period: PeriodId) -> AsyncIterator[list[ScoreRow]]:
        """A partition's users on one board, chunk by chunk. Raises ShardUnreachable.

        ZSCAN tells every user who is there throughout, but may tell one twice while the ZSET is rehashed: those are
        dropped, for which the partition's ids are held in memory.
        """
        key, told, cursor = redis_keys.scores(partition, period), set[bytes](), 0
        while True:

            async def chunk(redis: Redis, at: int = cursor) -> Any:
                return await redis.zscan(key, at, count=CHUNK_ROWS)

            cursor, pairs = await self.ask(shard, chunk)
            rows = {user: score for user, score in pairs if user not in told}
            told.update(rows)
            if rows:
                yield await self._with_times(shard, partition, period=period, rows=rows)
            if not cursor:
                return

    async def _with_times(
        self, shard: ShardId, partition: Partition, *, period: PeriodId, rows: Mapping[bytes, float]
    ) -> list[ScoreRow]:
        key = redis_keys.scored_at(partition, period)
        times = await self.ask(shard, lambda redis: redis.hmget(key, list(rows)))
        return [
            ScoreRow(user.decode(), int(score), int(at or 0), partition)
            for (user, score), at in zip(rows.items(), times, strict=True)
        ]

    async def ask(self, shard: ShardId, call: Any) -> Any:
        """What `call` gets from the shard's client. Raises ShardUnreachable."""
        try:
            return await call(self._redis[shard])
        except (RedisError, OSError) as error:
            raise ShardUnreachable(f"shard {shard} at {self._urls[shard]} does not answer: {error}") from error


async def find_owners(shards: Shards, partitions: int) -> dict[Partition, Owned]:
    """Every partition's owner over all shards: of two that say owned, the one with the newer epoch; at the same one a
    partition was moved, and its source is fenced."""
    owners: dict[Partition, Owned] = {}
    found = await asyncio.gather(*(shards.owned_by(shard, partitions) for shard in shards.ids))
    for shard, owned in zip(shards.ids, found, strict=True):
        for partition, progress in owned.items():
            known = owners.get(partition)
            if known is None or _rank(known.progress) < _rank(progress):
                owners[partition] = Owned(shard, progress)
    return owners


def _rank(progress: Progress) -> tuple[int, bool]:
    return (progress.epoch, not progress.fenced)
