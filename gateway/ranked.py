"""What is read of a board beyond its top, and from whom: shards while it runs, the archive once it is closed. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from contracts.board_reads import Row
from contracts.ids import PeriodId, UserId
from gateway.board_walk import Mark
from gateway.rank_counts import Place


@dataclass(frozen=True, slots=True)
class Ranked:
    """Places of some users, of those that are on the board."""

    places: dict[UserId, Place]
    as_of_ms: int | None


@dataclass(frozen=True, slots=True)
class RankedRow:
    """One row of a page."""

    rank: int
    row: Row


@dataclass(frozen=True, slots=True)
class RankedPage:
    """A page in board order."""

    rows: tuple[RankedRow, ...]
    is_end: bool
    """Whether nothing lies beyond it, in the direction walked."""
    total: int
    as_of_ms: int | None


class Ranks(Protocol):
    """Where boards are read."""

    async def ranks(self, period: PeriodId, users: Sequence[UserId], *, wants_above: bool = True) -> Ranked:
        """The places of these users, hidden ones included."""
        ...

    async def page(self, period: PeriodId, start: Mark | None, *, limit: int, is_back: bool = False) -> RankedPage:
        """The rows after `start` (before it with `is_back`)."""
        ...

    async def score_at(self, period: PeriodId, rank: int) -> int | None:
        """The score of whoever stands at this place; None when so many users are not on the board."""
        ...
