"""When a board may be closed: some time after its end, and when the scores have passed the log's ends."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from archiver.closing import CLOSE_AFTER_MS, due_boards, is_final
from contracts.counting import CountingRules
from contracts.ids import Offset, Partition, PeriodId
from contracts.periods import PeriodCalendar

RULES = CountingRules()
WAIT_MS = RULES.lateness_ms + CLOSE_AFTER_MS


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        ("UTC", "2026-11-24", datetime(2026, 11, 25, tzinfo=UTC)),
        ("Europe/Paris", "2026-03-29", datetime(2026, 3, 30, tzinfo=ZoneInfo("Europe/Paris"))),  # 23 hours
        ("Europe/Paris", "2026-10-25", datetime(2026, 10, 26, tzinfo=ZoneInfo("Europe/Paris"))),  # 25 hours
        ("America/Asuncion", "2024-10-05", datetime(2024, 10, 6, 4, tzinfo=UTC)),  # the next day has no midnight
    ],
)
def test_board_is_due_once_nothing_can_come_any_more(zone: str, day: str, end: datetime) -> None:
    calendar, board = PeriodCalendar(f"all_time,daily@{zone}"), PeriodId(f"daily:{day}")
    due_ms = ms(end) + WAIT_MS
    assert due_boards([board], now_ms=due_ms - 1, calendar=calendar, rules=RULES) == []
    assert due_boards([board], now_ms=due_ms, calendar=calendar, rules=RULES) == [board]


def test_a_larger_clock_skew_is_waited_for() -> None:
    rules = CountingRules(lateness_ms=900_000, clock_skew_ms=120_000)
    calendar, board = PeriodCalendar("all_time,daily"), PeriodId("daily:2026-11-24")
    end_ms = ms(datetime(2026, 11, 25, tzinfo=UTC))
    assert due_boards([board], now_ms=end_ms + 900_000 + 119_999, calendar=calendar, rules=rules) == []
    assert due_boards([board], now_ms=end_ms + 900_000 + 120_000, calendar=calendar, rules=rules) == [board]


def test_all_that_was_missed_is_due_oldest_first_and_all_time_never() -> None:
    calendar = PeriodCalendar("all_time,daily,weekly,monthly")
    boards = [
        "all_time",
        "monthly:2025-12",
        "daily:2026-01-31",
        "weekly:2026-W05",
        "daily:2026-01-02",
        "monthly:2026-02",
    ]
    now_ms = ms(datetime(2026, 2, 3, tzinfo=UTC))
    due = due_boards(map(PeriodId, boards), now_ms=now_ms, calendar=calendar, rules=RULES)
    assert due == ["monthly:2025-12", "daily:2026-01-02", "daily:2026-01-31", "weekly:2026-W05"]


@pytest.mark.parametrize(
    ("scores_next", "expected"),
    [({0: 5, 2: 3}, True), ({0: 9, 1: 1, 2: 3}, True), ({0: 4, 2: 3}, False), ({0: 5}, False), ({}, False)],
)
def test_board_is_final_when_the_scores_passed_every_end(scores_next: dict[int, int], expected: bool) -> None:
    passed = {Partition(partition): Offset(offset) for partition, offset in scores_next.items()}
    assert is_final([Offset(5), Offset(0), Offset(3)], passed) is expected


def test_empty_log_is_final() -> None:
    assert is_final([Offset(0), Offset(0)], {})
