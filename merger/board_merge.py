"""One board's merged top, kept up to date source by source; `merger.merging` feeds it.

It keeps a sorted buffer of everything better than a bound. A source that changes below the bound costs a look at its
first row, one that changes above it a few bisections. All are merged anew only when removals empty the buffer.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import itemgetter
from typing import Final

import numpy as np

from contracts.ids import SCORE_LIMIT, LogMs, Partition, ShardId
from contracts.ranking import TopRow
from contracts.tops import GLOBAL_TOP_ROWS, Floor

Source = ShardId | Partition
"""Where rows come from: a shard's newest top, or a partition whose earlier rows are carried."""
_Entry = tuple[int, int, bytes, int, TopRow]
"""The row's place in the order, its partition (a user is in one), and the row, which is never compared."""
_Bound = tuple[int, int, bytes, int]

REFILL_FACTOR: Final = 2
"""A merge of everything fetches this many times the shown rows, so that as many removals need no other one."""
BUFFER_FACTOR: Final = 4
"""The buffer is cut back when it is this many times the shown rows: cutting then is rare, inserting still cheap."""
HIDES_ALL: Final = Floor(score=SCORE_LIMIT, scored_at=LogMs(0), user_id="")
"""A floor above every row."""
_NO_ROWS: Final = 2**62
"""The negated best score of a source without rows: worse than any."""
_PAST_ALL_PARTITIONS: Final = 2**31
_place = itemgetter(0, 1, 2, 3)


@dataclass(frozen=True, slots=True)
class MergedTop:
    """The best rows that can be vouched for. Not complete: below the last one, rows may be missing."""

    rows: tuple[TopRow, ...]
    complete: bool


class BoardMerge:
    """The best `count` rows over all sources. Rows of a source come in board order; a row is in one source only."""

    def __init__(self, count: int = GLOBAL_TOP_ROWS) -> None:
        self._count = count
        self._slots: dict[Source, int] = {}
        self._free: list[int] = []
        self._rows: list[Sequence[TopRow]] = []
        self._best = np.full(16, _NO_ROWS, dtype=np.int64)
        self._floors: dict[Source, _Bound] = {}
        self._floor: _Bound | None = None
        self._buffer: list[_Entry] = []
        self._bound: _Bound | None = None
        """The buffer holds exactly the rows that sort before it; None: all rows."""
        self._top: MergedTop | None = None

    @property
    def is_empty(self) -> bool:
        """Whether no source is left."""
        return not self._slots

    def put(self, source: Source, rows: Sequence[TopRow], *, floor: Floor | None) -> None:
        """Replace what a source has. Below its floor rows of it may be missing."""
        slot = self._slots.get(source)
        if slot is None:
            slot = self._new_slot(source)
        self._put_floor(source, None if floor is None else _floor_bound(floor))
        self._put_rows(slot, rows)

    def drop(self, source: Source) -> None:
        """Forget a source; unknown ones are fine."""
        slot = self._slots.pop(source, None)
        if slot is None:
            return
        self._put_floor(source, None)
        self._put_rows(slot, ())
        self._free.append(slot)

    def top(self) -> MergedTop:
        """The rows at or above every floor; the same object as long as nothing in it changed."""
        if self._top is None:
            buffer, floor = self._buffer, self._floor
            end = len(buffer) if floor is None else bisect_left(buffer, floor)
            end = min(end, self._count)
            self._top = MergedTop(tuple([entry[4] for entry in buffer[:end]]), end == self._count or floor is None)
        return self._top

    def merge_all(self) -> None:
        """Fill the buffer anew from all sources: about 2 × `count` rows, whatever their number."""
        wanted = REFILL_FACTOR * self._count
        sources = [_entries(self._rows[slot]) for slot in self._slots_in_reach(wanted)]
        self._buffer = list(islice(merge(*sources, key=_place), wanted))
        self._bound = _just_after(self._buffer[-1]) if len(self._buffer) == wanted else None
        self._top = None

    def _slots_in_reach(self, wanted: int) -> list[int]:
        """The sources that may hold one of the best `wanted` rows: those whose own best is among the best `wanted`."""
        best = self._best[: len(self._rows)]
        if len(best) > wanted:
            worst_in_reach = np.partition(best, wanted - 1)[wanted - 1]
            if worst_in_reach != _NO_ROWS:
                return np.flatnonzero(best <= worst_in_reach).tolist()
        return np.flatnonzero(best != _NO_ROWS).tolist()

    def _new_slot(self, source: Source) -> int:
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self._rows)
            self._rows.append(())
            if slot == len(self._best):
                self._best = np.concatenate([self._best, np.full(slot, _NO_ROWS, dtype=np.int64)])
        self._slots[source] = slot
        return slot

    def _put_rows(self, slot: int, rows: Sequence[TopRow]) -> None:
        before = _entries_before(self._rows[slot], self._bound)
        after = _entries_before(rows, self._bound)
        self._rows[slot] = rows
        self._best[slot] = -rows[0].score if rows else _NO_ROWS
        if before != after:
            self._exchange(before, after)

    def _exchange(self, before: list[_Entry], after: list[_Entry]) -> None:
        buffer, first_touched = self._buffer, self._count
        for entry in before:
            i = bisect_left(buffer, entry[:4])
            del buffer[i]
            first_touched = min(first_touched, i)
        for entry in after:
            i = bisect_left(buffer, entry[:4])
            buffer.insert(i, entry)
            first_touched = min(first_touched, i)
        if len(buffer) < self._count and self._bound is not None:
            self.merge_all()
        elif len(buffer) > BUFFER_FACTOR * self._count:
            kept = REFILL_FACTOR * self._count
            self._bound = _just_after(buffer[kept - 1])
            del buffer[kept:]
        if first_touched < self._count:
            self._top = None

    def _put_floor(self, source: Source, floor: _Bound | None) -> None:
        old = self._floors.get(source)
        if floor == old:
            return
        if floor is None:
            del self._floors[source]
        else:
            self._floors[source] = floor
        if floor is not None and (self._floor is None or floor <= self._floor):
            self._floor = floor
        elif old == self._floor:
            self._floor = min(self._floors.values(), default=None)
        else:
            return
        self._top = None


def _entries(rows: Sequence[TopRow]) -> Iterator[_Entry]:
    for row in rows:
        yield (-row.score, row.scored_at, row.user_id.encode(), row.partition, row)


def _entries_before(rows: Sequence[TopRow], bound: _Bound | None) -> list[_Entry]:
    if bound is None:
        return list(_entries(rows))
    entries: list[_Entry] = []
    for row in rows:
        if -row.score > bound[0]:
            break
        entry = (-row.score, row.scored_at, row.user_id.encode(), row.partition, row)
        if entry > bound:
            break
        entries.append(entry)
    return entries


def _just_after(entry: _Entry) -> _Bound:
    return (*entry[:3], entry[3] + 1)


def _floor_bound(floor: Floor) -> _Bound:
    """The row at the floor is shown, what follows is not."""
    return (-floor.score, floor.scored_at, floor.user_id.encode(), _PAST_ALL_PARTITIONS)
