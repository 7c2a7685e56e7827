"""One shard's partition against the log's count: reads rows in chunks, then brings the count to each chunk's offset."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from redis.asyncio import Redis

from audit.compare import PartitionCheck
from audit.log_count import LogCount
from audit.redis_rows import ROWS_PER_CALL, Chunk, PartitionRows
from audit.tables import SCORES, Table, deep_tables, is_remembered
from contracts.counting import window_of
from contracts.ids import Offset, Partition
from foundation.settings import CommonSettings

STORE: Final = "redis"
Advance = Callable[[Offset], Awaitable[None]]
"""Brings the count to an offset; raises `OtherLog` when the log does not reach so far."""


class RedisReading:
    """Everything that one partition's Redis told, with offsets. `read`, then `compare` while the count advances."""

    def __init__(self, redis: Redis, partition: Partition, *, common: CommonSettings, is_deep: bool) -> None:
        self._rows = PartitionRows(redis, partition)
        self._common = common
        self._is_deep = is_deep
        self._tables: list[Table] = []
        self.check = PartitionCheck(partition, STORE)
        self.is_from_base = False
        """The count began with the archive's state, which holds closed boards no more."""
        self.chunks: list[Chunk] = []

    async def read(self) -> None:
        """Read all tables. Raises RedisError, Moved."""
        periods = await self._rows.periods()
        self._tables = [Table(SCORES, period) for period in periods]
        if self._is_deep:
            log_ms = (await self._rows.totals()).totals.log_ms
            self._tables += deep_tables(log_ms, window_of(log_ms, self._common.rules), periods=periods)
        self.chunks = [chunk async for chunk in self._rows.chunks(self._tables)] or [await self._rows.totals()]

    @property
    def from_offset(self) -> Offset:
        """Where the first chunk was read."""
        return self.chunks[0].totals.next_offset

    def compare(self, chunk: Chunk, count: LogCount) -> None:
        """The count must stand at the chunk's offset."""
        self.check.totals(count, chunk.totals)
        for table, rows in chunk.rows:
            if self._matters(table, count):
                self.check.rows(count, table, rows=rows)

    async def ask_for_missing(self, count: LogCount, advance: Advance, *, now_ms: int) -> None:
        """Ask for what the log has and no chunk told, and compare the answers. Raises RedisError, Moved."""
        assert count.scores is not None
        boards = [Table(SCORES, period) for period in sorted(count.scores.boards)]
        others = [table for table in self._tables if table.kind != SCORES]
        for table in [*boards, *others]:
            if not self._matters(table, count) or self._is_dropped(table, now_ms=now_ms):
                continue
            for keys in _in_parts(self.check.missing(count, table)):
                chunk = await self._rows.ask(table, keys)
                self.chunks.append(chunk)
                await advance(chunk.totals.next_offset)
                self.check.totals(count, chunk.totals)
                if self._matters(table, count):
                    self.check.answers(count, table, answers=chunk.rows[0][1])

    def _matters(self, table: Table, count: LogCount) -> bool:
        assert count.scores is not None
        if self.is_from_base and table.period is not None and table.period not in count.scores.boards:
            return count.is_open(table.period)
        return is_remembered(count, table, window_ms=self._common.rules.window_ms)

    def _is_dropped(self, table: Table, *, now_ms: int) -> bool:
        """A board of which nothing is left, of a period that is over: it was ranked, and then dropped from Redis."""
        if table.period is None or self.check.is_told(table):
            return False
        period = self._common.calendar.parse(table.period)
        return period.end_ms + self._common.rules.lateness_ms <= now_ms


def _in_parts(keys: Sequence[bytes | str]) -> Iterator[Sequence[bytes | str]]:
    for first in range(0, len(keys), ROWS_PER_CALL):
        yield keys[first : first + ROWS_PER_CALL]
