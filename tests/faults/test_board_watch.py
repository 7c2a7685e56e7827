"""The watcher of boards sees every way in which a board can go back, and nothing in boards that do not."""

from typing import Any

import pytest

from tests.faults.board_watch import BoardWatch


def board(version: int, *rows: tuple[str, int]) -> dict[str, Any]:
    scores = [score for _, score in rows]
    return {
        "period": "all_time",
        "version": version,
        "entries": [{"user_id": u, "score": s, "rank": 1 + sum(other > s for other in scores)} for u, s in rows],
    }


def test_growing_boards_are_fine() -> None:
    watch = BoardWatch()
    assert watch.see("g1", board(1), limit=2) == []
    assert watch.see("g1", board(2, ("a", 5)), limit=2) == []
    assert watch.see("g2", board(1), limit=2) == []
    assert watch.see("g2", board(3, ("b", 6), ("a", 5)), limit=2) == []
    assert watch.see("g1", board(4, ("c", 7), ("b", 7)), limit=2) == []
    assert watch.see("g2", board(4, ("c", 7), ("b", 7)), limit=2) == []
    assert watch.highest("all_time") == {"a": 5, "b": 7, "c": 7}


@pytest.mark.parametrize(
    ("source", "later", "said"),
    [
        ("g1", board(2, ("a", 9)), "the same process showed version 3"),
        ("g2", board(4, ("a", 8), ("b", 5)), "'a' went from 9 back to 8"),
        ("g2", board(4, ("a", 9)), "'b' with 5 vanished"),
        ("g2", board(4, ("a", 9), ("c", 4)), "'b' with 5 vanished"),
        ("g2", board(4, ("a", 9), ("a", 9)), "a user is shown twice"),
        ("g2", board(3, ("a", 9), ("b", 6)), "other rows than the same version"),
        ("g2", {**board(4, ("a", 9), ("b", 5)), "entries": board(4, ("b", 5), ("a", 9))["entries"]}, "out of order"),
    ],
)
def test_every_step_back_is_seen(source: str, later: dict[str, Any], said: str) -> None:
    watch = BoardWatch()
    assert watch.see("g1", board(3, ("a", 9), ("b", 5)), limit=2) == []
    assert any(said in fault for fault in watch.see(source, later, limit=2))


def test_wrong_ranks_are_seen() -> None:
    wrong = board(1, ("a", 9), ("b", 9))
    wrong["entries"][1]["rank"] = 2
    assert any("ranks are wrong" in fault for fault in BoardWatch().see("g1", wrong, limit=2))
