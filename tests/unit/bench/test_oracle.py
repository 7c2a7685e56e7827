"""The oracle itself, against numbers worked out by hand and against Python's own calendar."""

import gzip
import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from bench import oracle
from bench.oracle import Happened, Place

DAY = date(2026, 11, 24)
POINTS = {"commit": 10, "release": 50}
SCORES = {"a": 50, "b": 30, "c": 30, "d": 30, "e": 10}


def action(
    user: str, name: str, *, action_id: str | None, timestamp: str = "2026-11-24T10:00:00Z"
) -> dict[str, object]:
    return {"user_id": user, "action": name, "action_id": action_id, "timestamp": timestamp}


def test_iso_weeks_are_those_of_the_calendar() -> None:
    for offset in range(366 * 130):
        day = date(1970, 1, 1) + timedelta(days=offset)
        assert oracle.iso_week(day.year, day.month, day=day.day) == day.isocalendar()[:2], day


@pytest.mark.parametrize(
    ("day", "week"),
    [(date(2026, 12, 31), "2026-W53"), (date(2027, 1, 3), "2026-W53"), (date(2024, 12, 30), "2025-W01")],
)
def test_a_week_belongs_to_the_year_of_its_thursday(day: date, week: str) -> None:
    assert oracle.period_names(day) == (
        "all_time", f"daily:{day}", f"weekly:{week}", f"monthly:{day:%Y-%m}",
    )  # fmt: skip


def test_a_repeated_id_of_a_user_counts_once_and_of_two_users_twice() -> None:
    actions = enumerate(
        [
            action("a", "commit", action_id="x"),
            action("a", "release", action_id="x"),
            action("b", "commit", action_id="x"),
            action("a", "commit", action_id=None),
            action("a", "commit", action_id=None),
        ],
        start=1,
    )
    counted = list(oracle.happened(actions, POINTS, day_of=lambda *_: DAY))
    assert counted == [Happened("a", 10, DAY), Happened("b", 10, DAY), Happened("a", 10, DAY), Happened("a", 10, DAY)]


def test_only_accepted_lines_count() -> None:
    actions = enumerate([action("a", "commit", action_id="x"), action("a", "release", action_id="y")], start=1)
    assert list(oracle.happened(actions, POINTS, day_of=lambda *_: DAY, accepted={2})) == [Happened("a", 50, DAY)]


def test_scores_are_summed_in_every_period() -> None:
    scores = oracle.count_scores(
        [Happened("a", 10, DAY), Happened("a", 5, DAY - timedelta(days=1)), Happened("b", 1, date(2026, 10, 31))]
    )
    assert scores == {
        "all_time": {"a": 15, "b": 1},
        "daily:2026-11-24": {"a": 10},
        "daily:2026-11-23": {"a": 5},
        "daily:2026-10-31": {"b": 1},
        "weekly:2026-W48": {"a": 15},
        "weekly:2026-W44": {"b": 1},
        "monthly:2026-11": {"a": 15},
        "monthly:2026-10": {"b": 1},
    }


def test_the_day_of_a_timestamp_is_that_of_utc() -> None:
    assert oracle.day_of_timestamp(1, {"timestamp": "2026-11-25T00:30:00+01:00"}) == DAY


def test_ranks_are_competition_ranks() -> None:
    assert [place.rank for place in oracle.top_places(SCORES)] == [1, 2, 2, 2, 5]


def rows(*users: tuple[int, str, int]) -> list[Place]:
    return [Place(*row) for row in users]


@pytest.mark.parametrize(
    "shown",
    [
        rows((1, "a", 50), (2, "b", 30), (2, "c", 30)),
        rows((1, "a", 50), (2, "d", 30), (2, "b", 30)),
    ],
)
def test_any_users_of_a_cut_group_of_equals_are_right(shown: list[Place]) -> None:
    assert oracle.top_faults(shown, SCORES, count=3) == []


def test_a_whole_group_of_equals_may_come_in_any_order() -> None:
    assert oracle.top_faults(rows((1, "a", 50), (2, "d", 30), (2, "c", 30), (2, "b", 30)), SCORES, count=4) == []


@pytest.mark.parametrize(
    ("shown", "fault"),
    [
        (rows((1, "a", 50), (2, "b", 30)), "2 rows, not 3"),
        (rows((1, "a", 50), (2, "b", 30), (3, "c", 30)), "row 3: rank 3"),
        (rows((1, "a", 50), (2, "b", 30), (2, "e", 30)), "'e' is shown with 30, not 10"),
        (rows((1, "a", 50), (2, "b", 30), (2, "z", 30)), "'z' is shown with 30, not None"),
        (rows((1, "a", 50), (2, "b", 30), (2, "b", 30)), "'b' is shown 2 times"),
        (rows((2, "b", 30), (1, "a", 50), (2, "c", 30)), "row 1: rank 2"),
        (rows((1, "a", 49), (2, "b", 30), (2, "c", 30)), "'a' is shown with 49, not 50"),
    ],
)
def test_each_way_to_be_wrong_is_named(shown: list[Place], fault: str) -> None:
    assert any(each.startswith(fault) for each in oracle.top_faults(shown, SCORES, count=3))


def test_missing_foreign_and_different_scores_are_named() -> None:
    assert oracle.score_faults({"a": 1, "b": 2, "x": 9}, {"a": 1, "b": 3, "c": 4}) == [
        "'b': 2, not 3", "'c': None, not 4", "'x': 9, not None",
    ]  # fmt: skip


def test_the_command_prints_scores_and_compares_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, catalogue, shown = tmp_path / "a.ndjson.gz", tmp_path / "actions.toml", tmp_path / "shown.ndjson"
    lines = [
        action("a", "commit", action_id="1"),
        action("b", "release", action_id="2"),
        action("a", "commit", action_id="3"),
    ]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    catalogue.write_text("[actions.commit]\npoints = 10\n[actions.release]\npoints = 50\n")
    arguments = [str(file), "--period", "weekly:2026-W48", "--actions", str(catalogue)]
    assert oracle.main(arguments) == 0
    printed = capsys.readouterr().out
    assert [json.loads(line) for line in printed.splitlines()] == [
        {"rank": 1, "user_id": "b", "score": 50}, {"rank": 2, "user_id": "a", "score": 20},
    ]  # fmt: skip
    shown.write_text(printed)
    assert oracle.main([*arguments, "--compare", str(shown)]) == 0
    shown.write_text(printed.replace("20", "30"))
    assert oracle.main([*arguments, "--compare", str(shown)]) == 1
    assert "'a': 30, not 20" in capsys.readouterr().out
