"""Compares what a store told of one partition with the log's count, each row at the very offset it was told at. Pure.

Reading all rows of a partition takes several calls, and the worker goes on meanwhile. A call tells rows and offset
together, so every row is compared with the count at exactly that offset: nothing is locked and nothing is approximate.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audit.digest import RowDigest
from audit.log_count import LogCount
from audit.tables import HIDDEN, SCORES, Key, Table, Value, table_of_log
from contracts.ids import LogMs, Offset, Partition
from contracts.progress import LastRecord

PROGRESS: Final = Table("progress")


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that two sources tell differently. None stands for no such row."""

    partition: Partition
    store: str
    """The other source: `redis`, `postgres`, `board` or `leaderboards`."""
    table: Table
    key: Key
    """The user, or the id."""
    offset: Offset
    """Where in the log both were read."""
    log: Value | None
    found: Value | None

    @property
    def order(self) -> tuple[bool, str, bytes]:
        """Which difference is told first: scores before what explains them, boards by name, users by id."""
        key = self.key.encode() if isinstance(self.key, str) else self.key
        return (self.table.kind != SCORES, self.table.suffix, key)


@dataclass(frozen=True, slots=True)
class StoredTotals:
    """What a shard's progress says of a partition."""

    next_offset: Offset
    log_ms: LogMs
    points: int
    counted: int
    last: LastRecord | None


@dataclass(slots=True)
class PartitionCheck:
    """The comparison of one store's partition. Feed it in the order of offsets, the count brought to each first."""

    partition: Partition
    store: str
    log_digest: RowDigest = field(default_factory=RowDigest)
    store_digest: RowDigest = field(default_factory=RowDigest)
    differences: int = 0
    first: Difference | None = None
    _told: dict[Table, set[Key]] = field(default_factory=dict)

    def totals(self, count: LogCount, stored: StoredTotals) -> None:
        """The count must stand at `stored.next_offset`."""
        assert count.next_offset == stored.next_offset, (count.next_offset, stored)
        wanted: Mapping[str, Any] = {
            "points": count.shown_points,
            "counted": count.counted,
            "log_ms": count.log_ms,
            "last": count.last,
        }
        for name, value in wanted.items():
            found = getattr(stored, name)
            if found != value:
                self._differs(Difference(self.partition, self.store, PROGRESS, name, count.next_offset, value, found))

    def rows(self, count: LogCount, table: Table, *, rows: Iterable[tuple[Key, Value]]) -> None:
        """Rows that the store told at the count's offset. One told again later is compared again, digested once."""
        log, told = table_of_log(count, table), self._told.setdefault(table, set())
        for key, found in rows:
            if key not in told:
                told.add(key)
                self._row(count, table, key=key, log=log.get(key), found=found)

    def missing(self, count: LogCount, table: Table) -> list[Key]:
        """Keys that the log has and the store did not tell: ask for each, then call `answers`."""
        told = self._told.get(table, set())
        return [key for key in table_of_log(count, table) if key not in told]

    def answers(self, count: LogCount, table: Table, *, answers: Sequence[tuple[Key, Value | None]]) -> None:
        """What the store said about keys that it was asked for, at the count's offset."""
        log, told = table_of_log(count, table), self._told.setdefault(table, set())
        for key, found in answers:
            told.add(key)
            self._row(count, table, key=key, log=log.get(key), found=found)

    def is_told(self, table: Table) -> bool:
        """Whether the store told any row of it."""
        return bool(self._told.get(table))

    def _row(self, count: LogCount, table: Table, *, key: Key, log: Value | None, found: Value | None) -> None:
        if table.kind == SCORES:
            _digest(self.log_digest, table, key=key, value=log)
            _digest(self.store_digest, table, key=key, value=found)
        if log != found:
            self._differs(Difference(self.partition, self.store, table, key, count.next_offset, log, found))

    def _differs(self, difference: Difference) -> None:
        self.differences += 1
        if self.first is None or difference.order < self.first.order:
            self.first = difference


def shown(value: Value | None, table: Table) -> Any:
    """A value as JSON and people read it."""
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, LastRecord):
        return value.encode()
    if table.kind == HIDDEN:
        return {period: {"score": score, "scored_at": at} for period, (score, at) in value.items()}
    if table.kind == SCORES:
        return {"score": value[0], "scored_at": value[1]}
    return list(value)


def _digest(digest: RowDigest, table: Table, *, key: Key, value: Value | None) -> None:
    if value is not None:
        digest.add(table.part, key, *value)
