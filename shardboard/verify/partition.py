"""Verifies one partition: reads the stores, replays the log once through all the offsets at which they stand, compares.

1. The stores are read: each chunk of rows with its own offset. 2. The log is counted from its beginning; at each of
those offsets the count holds what the store must have held. 3. What the log has and no store told is asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from audit.board_check import BOARD, BoardPart, board_differences, parts_of
from audit.closed_boards import CLOSED, ClosedBoard, FinalCells, final_cells
from audit.kafka_replay import LogReplay
from audit.log_base import count_from
from audit.log_count import LogCount
from audit.postgres_rows import ArchivedRows
from audit.redis_rows import Chunk, Moved
from contracts.ids import Offset, Partition, ShardId
from contracts.log import LogBounds
from contracts.tops import GlobalTop
from foundation.settings import CommonSettings
from shardboard.verify.postgres_store import Archive, compare_archive, compare_closed, untold
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

Stop = Chunk | BoardPart | ArchivedRows | ClosedBoard
"""Something that was read, with the offset at which it is compared."""


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
    archive: Archive
    boards: Sequence[GlobalTop]
    redis: Mapping[ShardId, Redis]
    is_deep: bool
    now_ms: int
    counted: Callable[[int], None]
    """Told of every so many records that were counted."""


class Counting:
    """The count of one partition's log, brought forward as far as is asked."""

    def __init__(self, sources: Sources, partition: Partition, *, count: LogCount, end: Offset) -> None:
        self._sources = sources
        self._partition = partition
        self._end = end
        self.count = count
        sources.log.open(partition, count.next_offset)

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
    # 1.
    has_begin = bounds.begin == 0
    archived = await _read_archive(sources, partition, is_whole=not has_begin)
    redis = RedisReading(sources.redis[shard], partition, common=sources.common, is_deep=sources.is_deep)
    await redis.read()
    redis.is_from_base = not has_begin
    base = _base(sources, archived, bounds=bounds)
    if isinstance(base, str):
        return PartitionReport(partition=partition, shard=shard, verdict="unknown", reason=base)
    parts = [part for board in sources.boards for part in parts_of(board, partition)]
    if redis.from_offset < base.next_offset:
        reason = f"{base_reason(bounds, base.next_offset)}, and Redis stands before it, at {redis.from_offset}"
        return PartitionReport(partition=partition, shard=shard, verdict="unknown", reason=reason)
    stops: list[Stop] = [*redis.chunks, *(part for part in parts if part.offset >= base.next_offset)]
    if isinstance(archived, ArchivedRows) and has_begin:
        stops.append(archived)
    # 2.
    counting = Counting(sources, partition, count=base, end=bounds.end)
    checks = _Checks(sources, partition, redis=redis)
    if isinstance(archived, str):
        checks.reports.append(untold(archived))
    elif archived is not None and has_begin and sources.is_deep:
        stops += checks.take_closed(await sources.archive.closed(partition))
    note = None if has_begin else base_reason(bounds, base.next_offset)
    try:
        for stop in sorted(stops, key=_offset_of):
            await counting.advance(_offset_of(stop))
            checks.take(stop, counting.count)
        # 3.
        await redis.ask_for_missing(counting.count, counting.advance, now_ms=sources.now_ms)
        await checks.ask_for_closed(counting.count)
    except OtherLog as other:
        return _other_log(partition, shard, other=other)
    stores, count = checks.stores(), counting.count
    return PartitionReport(
        partition=partition,
        shard=shard,
        verdict=overall([store.verdict for store in stores]),
        next_offset=count.next_offset,
        counted=count.counted,
        points=count.points,
        dead=count.dead,
        stores=stores,
        reason=note,
    )


def base_reason(bounds: LogBounds, offset: Offset) -> str:
    """Why the count did not begin with the first record."""
    return f"the log begins at offset {bounds.begin}: Postgres' state at offset {offset} is the base"


async def _read_archive(sources: Sources, partition: Partition, *, is_whole: bool) -> ArchivedRows | str | None:
    """None when there is no Postgres."""
    if not sources.archive.is_configured:
        return None
    return await sources.archive.read(partition, is_deep=sources.is_deep or is_whole)


def _base(sources: Sources, archived: ArchivedRows | str | None, *, bounds: LogBounds) -> LogCount | str:
    """A count that stands where the replay begins, or why there is none."""
    rules, calendar = sources.common.rules, sources.common.calendar
    if bounds.begin == 0:
        return LogCount(rules, calendar)
    gone = f"the log begins at offset {bounds.begin}"
    if archived is None:
        return f"{gone}, and there is no Postgres that knows what was before"
    if isinstance(archived, str):
        return f"{gone}, and what was before cannot be told: {archived}"
    if not archived.is_whole:
        return f"{gone}, and so did the archive begin after the log's first record"
    if archived.totals.next_offset < bounds.begin:
        return f"{gone}, and the archive reaches to offset {archived.totals.next_offset} only"
    return count_from(archived.totals, archived.tables, rules=rules, calendar=calendar)


class _Checks:
    """The comparisons of one partition, store by store."""

    def __init__(self, sources: Sources, partition: Partition, *, redis: RedisReading) -> None:
        self._sources = sources
        self._partition = partition
        self._redis = redis
        self._boards = _BoardCheck()
        self._closed: list[FinalCells] = []
        self.reports: list[StoreReport] = []

    def take(self, stop: Stop, count: LogCount) -> None:
        """Compare one stop; the count stands at it."""
        if isinstance(stop, Chunk):
            self._redis.compare(stop, count)
        elif isinstance(stop, BoardPart):
            self._boards.take(stop, count)
        elif isinstance(stop, ClosedBoard):
            self._closed.append(final_cells(stop, count))
        else:
            report = compare_archive(
                stop, count, partition=self._partition, common=self._sources.common, now_ms=self._sources.now_ms
            )
            self.reports.append(report)

    def take_closed(self, closed: list[ClosedBoard] | str) -> list[ClosedBoard]:
        """The boards at whose ends the count is to stop."""
        if isinstance(closed, str):
            self.reports.append(untold(closed, store=CLOSED))
            return []
        return closed

    async def ask_for_closed(self, count: LogCount) -> None:
        """Compare closed boards with what the log said at their ends; the count has gone on since."""
        if self._closed:
            archive = self._sources.archive
            report = await compare_closed(archive, self._closed, partition=self._partition, count=count)
            self.reports.append(report)

    def stores(self) -> tuple[StoreReport, ...]:
        """What all of them found."""
        last = self._redis.chunks[-1].totals.next_offset
        own = store_report(self._redis.check, from_offset=self._redis.from_offset, offset=last)
        return (own, *self.reports, *self._boards.reports())


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


def _offset_of(stop: Stop) -> Offset:
    return stop.offset if isinstance(stop, BoardPart | ClosedBoard) else stop.totals.next_offset


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
