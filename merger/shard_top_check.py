"""Whether a ShardTop from the cache may be merged. One that breaks these rules would show a wrong board."""

from itertools import pairwise

from contracts.ids import SCORE_LIMIT, Partition, PeriodId, ShardId
from contracts.ranking import TopRow
from contracts.tops import ShardBoard, ShardTop


def fault_of(top: ShardTop, shard: ShardId) -> str | None:
    """Say what is wrong with the top that stands under `shard`, or None."""
    if top.shard != shard:
        return f"it names shard {top.shard!r}"
    partitions = {position.partition for position in top.positions}
    if len(partitions) != len(top.positions):
        return "a partition has two positions"
    periods: set[PeriodId] = set()
    for board in top.boards:
        if board.period in periods:
            return f"board {board.period} is there twice"
        periods.add(board.period)
        fault = _board_fault(board, partitions)
        if fault is not None:
            return f"board {board.period}: {fault}"
    return None


def _board_fault(board: ShardBoard, partitions: set[Partition]) -> str | None:
    rows = board.rows
    if len({row.user_id for row in rows}) != len(rows):
        return "a user has two rows"
    if not {row.partition for row in rows} <= partitions:
        return "a row's partition has no position"
    try:
        places = [_place(row) for row in rows]
        if board.floor is not None:
            places.append((-board.floor.score, board.floor.scored_at, board.floor.user_id.encode()))
    except UnicodeEncodeError:
        return "a user id is not valid Unicode"
    rows_in_order = places[: len(rows)]
    if any(a >= b for a, b in pairwise(rows_in_order)):
        return "rows are not in board order"
    if rows and not (rows[0].score < SCORE_LIMIT and rows[-1].score > -SCORE_LIMIT):
        return "a score is not below 2^53"
    if places and places[-1] < places[len(rows) - 1 if rows else 0]:
        return "the floor stands above the last row"
    return None


def _place(row: TopRow) -> tuple[int, int, bytes]:
    return (-row.score, row.scored_at, row.user_id.encode())
