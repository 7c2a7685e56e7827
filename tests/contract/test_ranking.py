"""The one order of a board, and the ranks shown. Redis and Postgres order by the same three things."""

from itertools import permutations

from contracts.ids import LogMs, Partition, UserId
from contracts.ranking import TopRow, competition_ranks, top_rows


def row(user: str, score: int, *, at: int) -> TopRow:
    return TopRow(UserId(user), score, LogMs(at), Partition(0))


BOARD_ORDER = [
    row("late", 30, at=900),
    row("first", 20, at=100),
    row("second", 20, at=200),
    row("B", 20, at=300),  # same score at the same time: by UTF-8 bytes, capitals before small letters
    row("a", 20, at=300),
    row("b", 20, at=300),
    row("ba", 20, at=300),
    row("\uffff", 20, at=300),  # 3 bytes EF BF BF …
    row("\U0001f3c6", 20, at=300),  # … before 4 bytes F0 9F 8F 86, though UTF-16 would say otherwise
    row("zero", 0, at=50),
    row("below", -5, at=1),
]


def test_score_then_who_was_first_then_user_id_bytes() -> None:
    assert top_rows(reversed(BOARD_ORDER), 100) == BOARD_ORDER


def test_order_does_not_depend_on_the_order_of_arrival() -> None:
    for rows in permutations(BOARD_ORDER[2:8]):
        assert top_rows(rows, 4) == BOARD_ORDER[2:6]


def test_equal_scores_share_the_better_rank() -> None:
    assert competition_ranks([30, 20, 20, 10]) == [1, 2, 2, 4]
    assert competition_ranks([5, 5, 5]) == [1, 1, 1]
    assert competition_ranks([]) == []
