"""A published board's part is judged at the position that it names."""

from typing import Any

from audit.board_check import board_differences, parts_of
from audit.compare import Difference
from contracts.ids import Epoch, LogMs, Offset, Partition, UserId
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow
from contracts.tops import GLOBAL_TOP_ROWS, GlobalTop, Position
from tests.unit.audit.test_compare import count_of
from tests.unit.audit.test_log_count import START_MS

P = Partition(2)
LOG = ("a", "a", "a", "b", "b", "c")


def top(*rows: tuple[str, int], catching_up: bool = False, **more: Any) -> GlobalTop:
    """A board with rows of the partition; scored_at as the log has it."""
    given: dict[str, Any] = {"complete": True, **more}
    return GlobalTop(
        period=ALL_TIME,
        version=1,
        positions=(Position(P, Epoch(1), Offset(len(LOG)), LogMs(START_MS), catching_up),),
        rows=tuple(TopRow(UserId(user), score, LogMs(START_MS), P) for user, score in rows),
        ranks=tuple(range(1, len(rows) + 1)),
        as_of_ms=START_MS,
        published_at_ms=START_MS,
        **given,
    )


def differences(board: GlobalTop) -> list[Difference]:
    (part,) = parts_of(board, P)
    return list(board_differences(part, count_of(*LOG)))


def told(board: GlobalTop) -> list[tuple[object, object, object]]:
    return [(found.key, found.log, found.found) for found in differences(board)]


def test_a_board_that_shows_what_the_log_says_is_equal() -> None:
    assert told(top(("a", 3), ("b", 2), ("c", 1))) == []


def test_a_wrong_score_and_a_user_whom_the_log_does_not_know_are_named() -> None:
    assert told(top(("a", 4), ("b", 2), ("c", 1), ("x", 1))) == [
        ("a", (3, START_MS), (4, START_MS)),
        ("x", None, (1, START_MS)),
    ]


def test_who_belongs_on_the_board_and_is_not_there_is_named() -> None:
    """On a board with room, everybody; on one that is full or incomplete, whoever is above its last row."""
    assert told(top(("a", 3), ("b", 2))) == [("c", (1, START_MS), None)]
    assert told(top(("a", 3), ("b", 2), complete=False)) == []
    assert told(top(("a", 3), ("c", 1), complete=False)) == [("b", (2, START_MS), None)]
    others = [(f"z{number}", 5) for number in range(GLOBAL_TOP_ROWS - 1)]
    full = top(*others, ("a", 3))
    assert {found.key for found in differences(full)} == {user for user, _ in others}


def test_rows_that_are_carried_while_a_partition_catches_up_may_be_too_few() -> None:
    assert told(top(("a", 3), catching_up=True)) == []
    assert told(top(("a", 2), catching_up=True)) == [("a", (3, START_MS), (2, START_MS))]


def test_a_partition_that_nobody_published_has_no_part() -> None:
    assert parts_of(top(("a", 3)), Partition(9)) == []
