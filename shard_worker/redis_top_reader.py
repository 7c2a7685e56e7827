"""Reads a board's best rows from the shard's Redis, boundary ties included, in chunks. The caller applies nothing
meanwhile, so that all chunks are of one moment."""

import heapq
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import LogMs, Partition, PeriodId, UserId
from contracts.ranking import TopRow, order_key

CHUNK_ROWS: Final = 5_000
"""Rows of one read: ties can be everybody, and one reply should stay below a MB."""
SCAN_COUNT: Final = 1_000


class TopReader:
    """Reads the boards of a shard."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def boards(self, partitions: Sequence[Partition]) -> set[PeriodId]:
        """The boards that any of these partitions has scores on."""
        wanted = {redis_keys.scores(partition, PeriodId("")).encode() for partition in partitions}
        found: set[PeriodId] = set()
        async for key in self._redis.scan_iter(match="lb:{*}:scores:*", count=SCAN_COUNT):
            prefix, scores, period = key.partition(b":scores:")
            if prefix + scores in wanted:
                found.add(PeriodId(period.decode()))
        return found

    async def names(self, partition: Partition) -> dict[UserId, str]:
        """The kept names of a partition."""
        raw: dict[bytes, bytes] = await self._redis.hgetall(redis_keys.names(partition))  # type: ignore[assignment]
        return {UserId(user.decode()): name.decode() for user, name in raw.items()}

    async def top(self, period: PeriodId, partitions: Sequence[Partition], *, count: int) -> tuple[list[TopRow], bool]:
        """The best `count` rows over `partitions`, and whether there are more.

        First each partition's best scores: the `count`-th over all of them is the threshold. Then every user at or
        above it; of these only the ties at the threshold can be many.
        """
        threshold, total = await self._threshold(period, partitions, count=count)
        rows: list[TopRow] = []
        for partition in partitions:
            async for chunk in self._at_or_above(period, partition, threshold=threshold):
                rows = heapq.nsmallest(count, [*rows, *chunk], key=order_key)
        return rows, total > len(rows)

    async def _threshold(self, period: PeriodId, partitions: Sequence[Partition], *, count: int) -> tuple[float, int]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition in partitions:
                key = redis_keys.scores(partition, period)
                pipe.zcard(key)
                pipe.zrange(key, 0, count - 1, desc=True, withscores=True)
            answers = await pipe.execute()
        total = sum(answers[::2])
        scores = sorted((score for pairs in answers[1::2] for _, score in pairs), reverse=True)
        return (scores[count - 1] if len(scores) >= count else float("-inf")), total

    async def _at_or_above(
        self, period: PeriodId, partition: Partition, *, threshold: float
    ) -> AsyncIterator[list[TopRow]]:
        scores, scored_at = redis_keys.scores(partition, period), redis_keys.scored_at(partition, period)
        size: int = await self._redis.zcount(scores, threshold, "+inf")
        for first in range(0, size, CHUNK_ROWS):
            last = min(first + CHUNK_ROWS, size) - 1
            pairs: list[Any] = await self._redis.zrange(scores, first, last, desc=True, withscores=True)
            times = await self._redis.hmget(scored_at, [user for user, _ in pairs])
            yield [
                TopRow(UserId(user.decode()), int(score), LogMs(int(at or 0)), partition)
                for (user, score), at in zip(pairs, times, strict=True)
            ]
