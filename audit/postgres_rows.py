"""Reads one partition from the archive, all of it at one offset, as the tables that the log's count is read as."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from audit.compare import StoredTotals
from audit.tables import ERASED, HIDDEN, KEPT, LIMITS, SCORES, SEEN, VOIDED, Key, Table, Value
from contracts.counting import CountingRules, window_of
from contracts.ids import Partition
from foundation.postgres_connect import Connection
from foundation.postgres_snapshot import PartitionSnapshot, SnapshotHead, read_partition_snapshot

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ArchivedRows:
    """A partition's archive at one moment. `is_whole`: it was archived from the log's first record."""

    totals: StoredTotals
    is_whole: bool
    tables: Mapping[Table, Mapping[Key, Value]]


async def read_archive(
    connection: Connection, partition: Partition, *, rules: CountingRules, is_deep: bool
) -> ArchivedRows | None:
    """None when the partition was never archived. Without `is_deep` only scores are read.

    Raises one of `postgres_connect.AWAY`, or PostgresError when the database has no schema.
    """
    async with read_partition_snapshot(connection, partition, window_ms=rules.window_ms) as snapshot:
        head = snapshot.head
        if head is None:
            return None
        totals = StoredTotals(head.next_offset, head.log_ms, head.points, head.counted, head.last)
        tables: dict[Table, dict[Key, Value]] = {}
        async for rows in snapshot.scores():
            for period, user, score, at in rows:
                tables.setdefault(Table(SCORES, period), {})[user] = (score, at)
        if is_deep:
            tables |= await _deep(snapshot, head, rules=rules)
        return ArchivedRows(totals, head.begin_offset == 0, tables)


async def _deep(
    snapshot: PartitionSnapshot, head: SnapshotHead, *, rules: CountingRules
) -> dict[Table, dict[Key, Value]]:
    window = window_of(head.log_ms, rules)
    tables: dict[Table, dict[Key, Value]] = {
        Table(SEEN, str(window - 1)): {},
        Table(SEEN, str(window)): {},
        Table(HIDDEN): await _read(snapshot.hidden(), lambda row: (row.user_id, row.parked)),
        Table(ERASED): await _read(snapshot.erased(), lambda row: (row.user16.hex(), row.offset)),
        Table(VOIDED): await _read(snapshot.voided(), lambda row: (row.id16.hex(), row.offset)),
        Table(KEPT): await _read(snapshot.kept(), lambda row: (row.id16, row.keep_until)),
        Table(LIMITS): await _read(
            snapshot.caps(), lambda row: (row.used_by.hex(), (row.day, row.used, row.last_received_ms))
        ),
    }
    async for rows in snapshot.seen():
        for seen in rows:
            tables.setdefault(Table(SEEN, str(seen.window)), {})[seen.id16] = 1
    return tables


async def _read(chunks: AsyncIterator[list[_T]], make: Callable[[_T], tuple[Any, Any]]) -> dict[Key, Value]:
    return dict([make(row) async for rows in chunks for row in rows])
