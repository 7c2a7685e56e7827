"""Verifies one partition: reads the stores, replays the log once through all the offsets at which they stand, compares.

1. The stores are read: each chunk of rows with its own offset. 2. The log is counted from its beginning; at each of
those offsets the count holds what the store must have held. 3. What the log has and no store told is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from audit.board_check import BOARD, BoardPart, board_differences, parts_of
from audit.kafka_replay import LogBounds, LogReplay
from audit.log_count import LogCount
from audit.redis_rows import Chunk, Moved
from contracts.ids import Offset, Partition, ShardId
from contracts.tops import GlobalTop
from foundation.settings import CommonSettings
from shardboard.verify.redis_store import RedisReading
from shardboard.verify.report import (
    FoundDifference,
    PartitionReport,
    StoreReport,
    Verdict,
    found,
    overall,
    store_report,
)


class OtherLog(Exception):
    """A store stands beyond the end of the log."""

    def __init__(self, offset: Offset, end: Offset) -> None:
        super().__init__(f"offset {offset} was applied, but the log ends at {end}: another log, or it lost its tail")
        self.offset = offset
        self.end = end


@dataclass(frozen=True, slots=True)
class Sources:
    """Where everything is read."""

    common: CommonSettings
    log: LogReplay
    boards: Sequence[GlobalTop]
    redis: Mapping[ShardId, Redis]
    is_deep: bool
    now_ms: int
    counted: Callable[[int], None]
    """Told of every so many records that were counted."""


class Counting:
    """The count of one partition's log, brought forward as far as is asked."""

    def __init__(self, sources: Sources, partition: Partition, bounds: LogBounds) -> None:
        self._sources = sources
        self._partition = partition
        self._end = bounds.end
        self.count = LogCount(sources.common.rules, sources.common.calendar)
        sources.log.open(partition, bounds.begin)

    async def advance(self, offset: Offset) -> None:
        """Count all records before `offset`. Raises KafkaError, OtherLog, Moved."""
        if offset < self.count.next_offset:
            raise Moved(f"it went back from offset {self.count.next_offset} to {offset}")
        if offset > self._end:
            self._end = (await self._sources.log.bounds([self._partition]))[self._partition].end
            if offset > self._end:
                raise OtherLog(offset, self._end)
        async for records in self._sources.log.until(offset):
            self.count.take_all(records)
            self._sources.counted(len(records))
        self.count.next_offset = offset  # Kafka may leave offsets without a record


async def verify_partition(
    sources: Sources, partition: Partition, *, shard: ShardId, bounds: LogBounds
) -> PartitionReport:
    """The verdict on one partition. Raises KafkaError, RedisError, and Moved when it must be read again."""
    if bounds.begin > 0:
        reason = f"the log begins at offset {bounds.begin}, what was before can be told from Postgres only"
        return PartitionReport(partition=partition, shard=shard, verdict="unknown", reason=reason)
    # 1.
    redis = RedisReading(sources.redis[shard], partition, sources.common, is_deep=sources.is_deep)
    await redis.read()
    parts = [part for board in sources.boards for part in parts_of(board, partition)]
    stops: list[BoardPart | Chunk] = [*redis.chunks, *parts]
    # 2.
    counting = Counting(sources, partition, bounds)
    boards = _BoardCheck()
    try:
        for stop in sorted(stops, key=_offset_of):
            await counting.advance(_offset_of(stop))
            if isinstance(stop, Chunk):
                redis.compare(stop, counting.count)
            else:
                boards.take(stop, counting.count)
        # 3.
        await redis.ask_for_missing(counting.count, counting.advance, now_ms=sources.now_ms)
    except OtherLog as other:
        return _other_log(partition, shard, other=other)
    last = redis.chunks[-1].totals.next_offset
    stores = (store_report(redis.check, from_offset=redis.from_offset, offset=last), *boards.reports())
    count = counting.count
    return PartitionReport(
        partition=partition,
        shard=shard,
        verdict=overall([store.verdict for store in stores]),
        next_offset=count.next_offset,
        counted=count.counted,
        points=count.points,
        dead=count.dead,
        stores=stores,
    )


class _BoardCheck:
    """The published boards' parts, as one store."""

    def __init__(self) -> None:
        self._offsets: list[Offset] = []
        self._rows = 0
        self._firsts: list[FoundDifference] = []
        self._differences = 0

    def take(self, part: BoardPart, count: LogCount) -> None:
        self._offsets.append(part.offset)
        self._rows += len(part.rows)
        for difference in board_differences(part, count):
            self._differences += 1
            self._firsts.append(found(difference))

    def reports(self) -> list[StoreReport]:
        if not self._offsets:
            return []
        verdict: Verdict = "different" if self._differences else "equal"
        return [
            StoreReport(
                store=BOARD,
                verdict=verdict,
                from_offset=self._offsets[0],
                offset=self._offsets[-1],
                rows=self._rows,
                differences=self._differences,
                first=self._firsts[0] if self._firsts else None,
            )
        ]


def _offset_of(stop: BoardPart | Chunk) -> Offset:
    return stop.offset if isinstance(stop, BoardPart) else stop.totals.next_offset


def _other_log(partition: Partition, shard: ShardId, *, other: OtherLog) -> PartitionReport:
    first = FoundDifference(
        store="redis",
        partition=partition,
        table="progress",
        period=None,
        user_id=None,
        key="next_offset",
        offset=other.end,
        log=other.end,
        found=other.offset,
    )
    store = StoreReport(store="redis", verdict="different", differences=1, first=first, reason=str(other))
    return PartitionReport(partition=partition, shard=shard, verdict="different", stores=(store,))
