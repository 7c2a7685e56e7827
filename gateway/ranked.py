"""What is read of a board beyond its top. Pure."""

from dataclasses import dataclass

from contracts.board_reads import Row
from contracts.ids import UserId
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
