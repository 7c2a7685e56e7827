"""When periods end, told in whole seconds that are never too few."""

from contracts.ids import PeriodId
from contracts.periods import PeriodCalendar
from gateway.periods_answer import ClosedPeriod, CurrentPeriod, closed_of, current_of

CALENDAR = PeriodCalendar("all_time,daily")
DAY = CALENDAR.parse("daily:2026-11-24")


def test_seconds_left_are_rounded_up_and_never_negative() -> None:
    left = [current_of(DAY, DAY.end_ms - ms).seconds_left for ms in (1_500, 1_000, 1, 0, -5)]
    assert left == [2, 1, 1, 0, 0]
    assert current_of(CALENDAR.parse("all_time"), 5) == CurrentPeriod("all_time", 0, None, None)


def test_closed_boards_have_their_spans_and_those_of_another_configuration_are_left_out() -> None:
    rows = [(PeriodId("daily:2026-11-24"), 7, 3), (PeriodId("weekly:2026-W48"), 7, 3)]
    assert closed_of(rows, CALENDAR) == (ClosedPeriod("daily:2026-11-24", DAY.start_ms, DAY.end_ms, 7, 3),)
