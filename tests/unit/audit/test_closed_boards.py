"""A closed board is judged at the end of what it contains, though the count goes on."""

from audit.closed_boards import ClosedBoard, closed_differences, final_cells
from audit.log_count import LogCount
from contracts.ids import Offset, Partition
from contracts.periods import ALL_TIME
from tests.unit.audit.test_compare import count_of

P = Partition(2)
LOG = ("a", "a", "b", "c")


def differences(
    count: LogCount, *, without: str = "", **changed: tuple[int, int]
) -> list[tuple[object, object, object]]:
    """What is found when the board differs from the log's so."""
    cells = final_cells(ClosedBoard(ALL_TIME, Offset(len(LOG))), count)
    found = {user: cell for user, cell in {**cells.shown, **cells.hidden, **changed}.items() if user not in without}
    return [(d.key, d.log, d.found) for d in closed_differences(P, cells, found=found, count=count)]


def test_equal_ranks_are_equal_and_each_other_score_is_named() -> None:
    count = count_of(*LOG)
    assert count.scores is not None
    right = count.scores.boards[ALL_TIME]["a"]
    assert differences(count) == []
    assert differences(count, a=(right[0] + 1, right[1])) == [("a", right, (right[0] + 1, right[1]))]
    assert differences(count, without="a") == [("a", right, None)]


def test_who_was_erased_since_may_be_gone_but_not_be_wrong() -> None:
    count = count_of(*LOG)
    board = ClosedBoard(ALL_TIME, Offset(len(LOG)))
    cells = final_cells(board, count)
    assert count.scores is not None
    count.scores.erase("a")
    others = {user: cell for user, cell in cells.shown.items() if user != "a"}
    assert list(closed_differences(P, cells, found=others, count=count)) == []
    wrong = {**cells.shown, "a": (99, 1)}
    assert [found.key for found in closed_differences(P, cells, found=wrong, count=count)] == ["a"]


def test_hidden_users_have_their_parked_score_or_none() -> None:
    count = count_of(*LOG)
    assert count.scores is not None
    cell = count.scores.boards[ALL_TIME]["b"]
    count.scores.hide("b", lambda _: True)
    assert differences(count) == []
    assert differences(count, without="b") == []
    assert differences(count, b=(7, 7)) == [("b", cell, (7, 7))]
