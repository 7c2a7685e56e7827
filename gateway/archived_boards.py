"""Boards as the archive has them, for a gateway that never reached the cache. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from contracts.ids import PeriodId
from contracts.ranking import TopRow, competition_ranks
from contracts.tops import GlobalTop

VERSION_MAX: Final = 1_000_000_000_000
"""Below every version of the merger, which are unix ms at least: its boards replace these for every reader."""


@dataclass(frozen=True, slots=True)
class ArchivePlace:
    """How much of the log the archive's scores contain."""

    partitions_expected: int | None
    """None: no archiver was there yet."""
    partitions: int
    is_cut: bool
    """Records at the log's beginning were gone before the archive began."""
    records: int
    """Of the log, over all partitions."""
    log_ms: int

    @property
    def is_whole(self) -> bool:
        """Whether everything up to this place is contained."""
        return self.partitions == self.partitions_expected and not self.is_cut


def archived_board(period: PeriodId, rows: Iterable[TopRow], *, place: ArchivePlace) -> GlobalTop:
    """The board that these rows make; they are in board order.

    The version counts the records that went into it: it grows as the archive does, and is the same in every gateway.
    """
    best = tuple(rows)
    return GlobalTop(
        period=period,
        version=min(place.records, VERSION_MAX),
        positions=(),
        rows=best,
        ranks=tuple(competition_ranks([row.score for row in best])),
        complete=place.is_whole,
        as_of_ms=place.log_ms or None,
        published_at_ms=0,
    )
