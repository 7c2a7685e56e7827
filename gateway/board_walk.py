"""A walk along a board in its order, from a cursor on, over partitions that each tell their own nearest rows. Pure.

A row may be told once every partition has told at least as far, or its end. So nobody is left out, and nobody comes
twice; a partition is asked only for as many rows as the walk is likely to need of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.board_reads import Page, Row, Ties
from contracts.ids import Partition, UserId
from contracts.ranking import OrderKey

SCAN_MAX: Final = 1_000
"""Users with equal scores that one call looks through beside a page; more are read by chunks."""
CHUNK: Final = 5_000
"""Users in one chunk of equal scores: some 5 ms of a shard's time."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a board's order, between two users: behind this one. It need not be anybody's."""

    score: int
    scored_at: int
    user_id: UserId

    @property
    def key(self) -> OrderKey:
        """Sorts ascending into board order."""
        return OrderKey(-self.score, self.scored_at, self.user_id.encode())


def above_all_of(score: int) -> Mark:
    """The place just before everybody with this score."""
    return Mark(score, -1, UserId(""))


def key_of(row: Row) -> OrderKey:
    """The row's place in the total order: smaller is better."""
    return OrderKey(-row.score, row.scored_at, row.user_id.encode())


@dataclass(frozen=True, slots=True)
class AskPage:
    """Ask a partition for its next rows. `cursor` as the function takes it."""

    cursor: Any
    rows: int


@dataclass(frozen=True, slots=True)
class AskTies:
    """Ask a partition for the next chunk of a score that many have. `group` as the function takes it."""

    group: Any


@dataclass(slots=True)
class _Part:
    """What one partition has told."""

    cursor: Any
    rows_next: int
    last: OrderKey | None = None
    """It has told everything up to here."""
    is_ended: bool = False
    ties_score: int | None = None
    ties_after: UserId | bool = False
    ties_best: list[Row] = field(default_factory=list)


class Walk:
    """One page. Ask what `asks` says, tell what came of it, until `asks` is empty; then `rows` holds the page.

    It looks one row further than the page, to know whether that is the end.
    """

    def __init__(self, partitions: Sequence[Partition], start: Mark | None, *, limit: int, is_back: bool) -> None:
        """`is_back`: walk towards the best; `rows` then are the nearest ones before the start, nearest first."""
        first = 2 * limit // max(1, len(partitions)) + 2
        cursor = False if start is None else [start.score, start.scored_at, start.user_id]
        self._parts = {partition: _Part(cursor, min(first, limit)) for partition in partitions}
        self._limit = limit
        self._told: list[Row] = []
        self._is_back = is_back
        self._pool: list[Row] = []
        self.rows: list[Row] = []
        self.is_end = False
        """Whether nothing comes after `rows`."""
        self._settle()

    def asks(self) -> dict[Partition, AskPage | AskTies]:
        """Whom to ask what before more can be told; nobody when the page is there."""
        if self.is_end or len(self._told) > self._limit:
            return {}
        pool = self._sorted(self._pool)
        bound = key_of(pool[self._limit]) if len(pool) > self._limit else None
        return {
            partition: self._ask(part)
            for partition, part in self._parts.items()
            if not part.is_ended and (bound is None or part.last is None or self._is_before(part.last, bound))
        }

    def told_page(self, partition: Partition, page: Page) -> None:
        """The answer to an AskPage."""
        part = self._parts[partition]
        if page.state == "ties":
            part.ties_score, part.ties_after, part.ties_best = page.score, False, []
            return
        self._take(part, page.rows)
        part.is_ended = page.state == "end"

    def told_ties(self, partition: Partition, ties: Ties) -> None:
        """The answer to an AskTies. Once all chunks are through, the best rows of them are the partition's next."""
        part = self._parts[partition]
        assert part.ties_score is not None, "this partition was asked for ties"
        score, wanted = part.ties_score, part.rows_next
        part.ties_best = self._sorted([*part.ties_best, *ties.rows])[:wanted]
        if not isinstance(ties.last, bool):
            part.ties_after = ties.last
            return
        best, part.ties_score = part.ties_best, None
        self._take(part, best)
        if len(best) < wanted:  # nothing is left of this score
            part.cursor = [score]

    def settle(self) -> None:
        """All answers of a round were told: see how far the page is."""
        self._settle()

    def _take(self, part: _Part, rows: Iterable[Row]) -> None:
        taken = list(rows)
        self._pool += taken
        if taken:
            last = taken[-1]
            part.cursor = [last.score, last.scored_at, last.user_id]
            part.last = key_of(last)
        part.rows_next = min(2 * part.rows_next, self._limit)

    def _ask(self, part: _Part) -> AskPage | AskTies:
        if part.ties_score is None:
            return AskPage(part.cursor, part.rows_next)
        is_inside = part.cursor and len(part.cursor) > 1 and part.cursor[0] == part.ties_score
        return AskTies([part.ties_score, part.ties_after, is_inside and part.cursor, part.rows_next])

    def _settle(self) -> None:
        open_parts = [part for part in self._parts.values() if not part.is_ended]
        pool = self._sorted(self._pool)
        if any(part.last is None for part in open_parts):
            self._told = []
        elif open_parts:
            frontiers = [part.last for part in open_parts if part.last is not None]
            frontier = max(frontiers) if self._is_back else min(frontiers)
            self._told = [row for row in pool if not self._is_before(frontier, key_of(row))]
        else:
            self._told = pool
        self.rows = self._told[: self._limit]
        self.is_end = not open_parts and len(pool) <= self._limit

    def _sorted(self, rows: list[Row]) -> list[Row]:
        return sorted(rows, key=key_of, reverse=self._is_back)

    def _is_before(self, a: OrderKey, b: OrderKey) -> bool:
        return a > b if self._is_back else a < b
