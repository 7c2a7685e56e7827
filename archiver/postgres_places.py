"""Reads where the archive stands: positions per partition, and what is archived but not in the scores yet."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from archiver.archive_fold import record_of_row
from archiver.counted_memory import CountedMemory
from archiver.place import Place, RawMark
from archiver.postgres_lookups import caps_of
from archiver.score_fold import Counted, points_at_most
from contracts.counting import CountingRules
from contracts.ids import Id16, LogMs, Offset, Partition
from contracts.progress import LastRecord
from contracts.record import ActionRecord
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

PENDING_ROWS: Final = 5_000
"""Rows read at a time after a restart."""


class PositionMoved(Exception):
    """Another archiver wrote these partitions: nothing of ours was written. Read the places again."""


async def read_places(
    connection: Connection, begins: Mapping[Partition, Offset], *, rules: CountingRules
) -> dict[Partition, Place]:
    """The places of these partitions. Those never archived begin where the log begins, as `begins` says."""
    partitions = list(begins)
    async with connection.transaction(isolation="repeatable_read"):
        await connection.execute(_sql("begin"), partitions, [begins[partition] for partition in partitions])
        rows = await connection.fetch(_sql("places"), partitions)
        places = [_place(row) for row in rows]
        for place in places:
            if place.is_behind:
                await _read_pending(connection, place, rules=rules)
    return {place.partition: place for place in places}


def _place(row: Any) -> Place:
    last = LastRecord.decode(row["raw_last"]) if row["raw_last"] else None
    raw = RawMark(Offset(row["raw_next"]), LogMs(row["log_ms"]), last)
    return Place(Partition(row["partition"]), raw, Offset(row["scores_next"]), row["points"])


async def _read_pending(connection: Connection, place: Place, *, rules: CountingRules) -> None:
    """What was archived and not flushed: an archiver ended in between. Its memory is made anew from the rows."""
    offset = place.scores_next
    while True:
        rows = await connection.fetch(_sql("pending"), place.partition, offset, place.raw.next_offset, PENDING_ROWS)
        counted = [
            Counted(row["log_offset"], LogMs(row["log_ms"]), Id16(row["id16"]), record_of_row(row)) for row in rows
        ]
        memory = await _count_again(connection, place, counted=counted, rules=rules)
        place.pending += counted
        place.pending_points += sum(points_at_most(item.record) for item in counted)
        place.kept.update(memory.new_kept)
        place.caps.update(memory.new_caps)
        if len(rows) < PENDING_ROWS:
            return
        offset = Offset(counted[-1].offset + 1)


async def _count_again(
    connection: Connection, place: Place, *, counted: Sequence[Counted], rules: CountingRules
) -> CountedMemory:
    wanted = {
        (item.record.user_id, item.record.action)
        for item in counted
        if isinstance(item.record, ActionRecord) and item.record.limits is not None
    }
    caps = await caps_of(connection, {place.partition: wanted})
    memory = place.memory(seen={}, kept={}, caps=caps[place.partition])
    for item in counted:
        memory.move_to(item.log_ms)
        memory.remember(item.record, item.id16, log_ms=item.log_ms, rules=rules)
    return memory


def _sql(name: str) -> str:
    return statements("archiver", "archive.sql")[name]
