"""Judges one partition's part of a published board by the log's count at the position that the board names. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from audit.compare import Difference
from audit.log_count import LogCount
from audit.tables import SCORES, Table
from contracts.ids import LogMs, Offset, Partition, UserId
from contracts.ranking import TopRow, order_key
from contracts.tops import GLOBAL_TOP_ROWS, GlobalTop

BOARD = "board"


@dataclass(frozen=True, slots=True)
class BoardPart:
    """What a board shows of one partition."""

    board: GlobalTop
    partition: Partition
    offset: Offset
    is_catching_up: bool

    @property
    def rows(self) -> dict[str, TopRow]:
        """The partition's rows by user."""
        return {row.user_id: row for row in self.board.rows if row.partition == self.partition}


def parts_of(board: GlobalTop, partition: Partition) -> list[BoardPart]:
    """The part of one partition: one, or none if no shard has published it yet."""
    return [
        BoardPart(board, partition, position.next_offset, position.is_catching_up)
        for position in board.positions
        if position.partition == partition
    ]


def board_differences(part: BoardPart, count: LogCount) -> Iterator[Difference]:
    """Rows that the log tells differently, and users who belong on the board and are not there.

    The count must stand at the part's offset. Rows that are carried while a partition catches up may be too few.
    """
    assert count.scores is not None
    assert count.next_offset == part.offset, (count.next_offset, part.offset)
    table, shown = Table(SCORES, part.board.period), part.rows
    cells = count.scores.boards.get(part.board.period, {})
    for user, row in shown.items():
        if cells.get(user) != (row.score, row.scored_at):
            found = (row.score, row.scored_at)
            yield Difference(part.partition, BOARD, table, user, part.offset, cells.get(user), found)
    if part.is_catching_up:
        return
    is_full = len(part.board.rows) >= GLOBAL_TOP_ROWS or not part.board.complete
    lowest = order_key(part.board.rows[-1]) if part.board.rows else None
    for user, cell in cells.items():
        if user in shown:
            continue
        key = order_key(TopRow(UserId(user), cell[0], LogMs(cell[1]), part.partition))
        if not is_full or (lowest is not None and key < lowest):
            yield Difference(part.partition, BOARD, table, user, part.offset, cell, None)
