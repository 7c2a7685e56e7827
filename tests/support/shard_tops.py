"""A shard as the cache sees it: publishes tops of made-up rows the way a worker does."""

from collections.abc import Mapping

from redis.asyncio import Redis

from contracts.clock import now_ms
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, order_key
from contracts.redis_keys import CHANGES_KEPT_MAX, SHARD_TOP_CHANGED, SHARD_TOPS
from contracts.tops import Floor, Position, ShardBoard, ShardTop, encode_top

Scores = Mapping[str, int]


def shard_top(
    shard: str,
    positions: Mapping[int, tuple[int, int]],
    *,
    boards: Mapping[str, Scores],
    sequence: int,
    floor: int | None = None,
    log_ms: int = 1,
) -> ShardTop:
    """Positions: partition → (epoch, next_offset). All rows are in the first partition; `floor` is a score."""
    partition = Partition(next(iter(positions)))
    return ShardTop(
        shard=ShardId(shard),
        incarnation=1,
        sequence=sequence,
        map_version=1,
        published_at_ms=now_ms(),
        positions=tuple(
            Position(Partition(p), Epoch(epoch), Offset(offset), LogMs(log_ms))
            for p, (epoch, offset) in positions.items()
        ),
        boards=tuple(
            ShardBoard(
                PeriodId(period),
                tuple(
                    sorted(
                        (TopRow(UserId(u), score, LogMs(1), partition) for u, score in scores.items()), key=order_key
                    )
                ),
                None if floor is None else Floor(floor, LogMs(2**53), ""),
            )
            for period, scores in boards.items()
        ),
    )


class FakeShard:
    """One shard with one partition, whose offset grows with each publication that changes something."""

    def __init__(self, cache: Redis, shard: str, *, partition: int, period: str = "all_time") -> None:
        self.cache = cache
        self.shard = shard
        self.partition = partition
        self.period = period
        self.scores: dict[str, int] = {}
        self.epoch = 1
        self.offset = 0
        self.sequence = 0

    async def publish(self, **scores: int) -> None:
        """Set these users' scores (0 removes) and publish; without any it is a heartbeat."""
        for user, score in scores.items():
            self.scores[user] = score
            if not score:
                del self.scores[user]
        self.offset += len(scores)
        self.sequence += 1
        await self.publish_top(
            shard_top(
                self.shard,
                {self.partition: (self.epoch, self.offset)},
                boards={self.period: self.scores},
                sequence=self.sequence,
                log_ms=now_ms(),
            )
        )

    async def publish_top(self, top: ShardTop) -> None:
        await self.publish_bytes(encode_top(top))

    async def publish_bytes(self, data: bytes) -> None:
        async with self.cache.pipeline(transaction=True) as pipe:
            pipe.hset(SHARD_TOPS, self.shard, data)
            pipe.xadd(SHARD_TOP_CHANGED, {"shard": self.shard}, maxlen=CHANGES_KEPT_MAX, approximate=True)
            await pipe.execute()
