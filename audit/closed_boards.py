"""Judges the final scores of a closed board, as far as one partition's users are on it, by the log's count at the end
of what the board contains. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from audit.compare import Difference
from audit.log_count import LogCount
from audit.log_scores import Cell
from audit.tables import SCORES, Table
from contracts.ids import Offset, Partition, PeriodId

CLOSED: Final = "leaderboards"


@dataclass(frozen=True, slots=True)
class ClosedBoard:
    """A board, and where one partition's log ended when nothing could change it any more."""

    period: PeriodId
    offset: Offset


@dataclass(frozen=True, slots=True)
class FinalCells:
    """What the log says of a closed board's users."""

    board: ClosedBoard
    shown: Mapping[str, Cell]
    hidden: Mapping[str, Cell]
    """Of users who were hidden then. Who was shown again before the board was ranked is not on it."""


def final_cells(board: ClosedBoard, count: LogCount) -> FinalCells:
    """The count must stand at the board's offset."""
    assert count.scores is not None
    assert count.next_offset == board.offset, (count.next_offset, board.offset)
    parked = {user: cells[board.period] for user, cells in count.scores.hidden.items() if board.period in cells}
    return FinalCells(board, dict(count.scores.boards.get(board.period, {})), parked)


def closed_differences(
    partition: Partition, cells: FinalCells, *, found: Mapping[str, Cell], count: LogCount
) -> Iterator[Difference]:
    """Rows that differ, and users who are missing though they were not erased since: `count` has gone on."""
    assert count.scores is not None
    table, still = Table(SCORES, cells.board.period), count.scores.boards.get(cells.board.period, {})
    for user, cell in {**cells.shown, **cells.hidden}.items():
        told = found.get(user)
        is_gone = user in cells.hidden or user not in still
        if told != cell and not (told is None and is_gone):
            yield Difference(partition, CLOSED, table, user, cells.board.offset, cell, told)
