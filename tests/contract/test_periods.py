"""Which board a moment belongs to: ids, ISO weeks, local midnights, and the clock changes of real zones."""

from datetime import datetime

import pytest

from contracts.periods import PeriodCalendar

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    """Unix ms of an ISO time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-24T12:00:00+00:00", "all_time daily:2026-11-24 weekly:2026-W48 monthly:2026-11"),
        ("2026-11-23T00:00:00+00:00", "all_time daily:2026-11-23 weekly:2026-W48 monthly:2026-11"),
        ("2026-11-22T23:59:59.999+00:00", "all_time daily:2026-11-22 weekly:2026-W47 monthly:2026-11"),
        ("2021-01-03T23:59:59+00:00", "all_time daily:2021-01-03 weekly:2020-W53 monthly:2021-01"),
        ("2021-01-04T00:00:00+00:00", "all_time daily:2021-01-04 weekly:2021-W01 monthly:2021-01"),
        ("2024-12-30T00:00:00+00:00", "all_time daily:2024-12-30 weekly:2025-W01 monthly:2024-12"),
        ("2024-02-29T23:00:00+00:00", "all_time daily:2024-02-29 weekly:2024-W09 monthly:2024-02"),
        ("1970-01-01T00:00:00+00:00", "all_time daily:1970-01-01 weekly:1970-W01 monthly:1970-01"),
        ("9998-12-31T23:59:59+00:00", "all_time daily:9998-12-31 weekly:9998-W53 monthly:9998-12"),
    ],
)
def test_a_moment_belongs_to_these_boards(moment: str, expected: str) -> None:
    calendar = PeriodCalendar("all_time,daily,weekly,monthly")
    assert " ".join(calendar.span_at(ms(moment)).ids) == expected


@pytest.mark.parametrize(
    ("spec", "period_id", "start", "hours"),
    [
        ("daily", "daily:2026-03-29", "2026-03-29T00:00:00+00:00", 24),
        ("daily@Europe/Paris", "daily:2026-03-29", "2026-03-29T00:00:00+01:00", 23),
        ("daily@Europe/Paris", "daily:2026-10-25", "2026-10-25T00:00:00+02:00", 25),
        ("weekly@Europe/Paris", "weekly:2026-W13", "2026-03-23T00:00:00+01:00", 167),
        ("monthly@America/New_York", "monthly:2026-11", "2026-11-01T00:00:00-04:00", 30 * 24 + 1),
        # Midnight does not exist: the day begins at 01:00, the first moment after the gap.
        ("daily@America/Sao_Paulo", "daily:2018-11-04", "2018-11-04T01:00:00-02:00", 23),
        # Midnight comes twice: the day begins at the first.
        ("daily@America/Havana", "daily:2026-11-01", "2026-11-01T00:00:00-04:00", 25),
        # Samoa skipped a day: its board has no moment.
        ("daily@Pacific/Apia", "daily:2011-12-30", "2011-12-31T00:00:00+14:00", 0),
        ("daily@Asia/Kathmandu", "daily:2026-11-24", "2026-11-24T00:00:00+05:45", 24),
    ],
)
def test_a_board_begins_at_its_local_midnight(spec: str, period_id: str, start: str, hours: int) -> None:
    period = PeriodCalendar(f"all_time,{spec}").parse(period_id)
    assert (period.id, period.start_ms, period.end_ms - period.start_ms) == (period_id, ms(start), hours * HOUR_MS)


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("America/St_Johns", "2010-11-06T00:00:00+00:00", "2010-11-09T00:00:00+00:00"),  # set back across midnight
        ("Antarctica/Casey", "2010-03-03T00:00:00+00:00", "2010-03-07T00:00:00+00:00"),  # set back by three hours
        ("Pacific/Apia", "2011-12-28T00:00:00+00:00", "2012-01-02T00:00:00+00:00"),
        ("Europe/Paris", "2026-10-24T00:00:00+00:00", "2026-10-27T00:00:00+00:00"),
    ],
)
def test_every_moment_lies_within_its_boards_and_ids_never_go_back(zone: str, first: str, last: str) -> None:
    calendar = PeriodCalendar(f"all_time,daily@{zone}")
    before = ""
    for at_ms in range(ms(first), ms(last), 10 * 60_000):
        span = calendar.span_at(at_ms)
        assert span.start_ms <= at_ms < span.end_ms
        daily = span.ids[1]
        assert daily >= before
        assert span.periods[1] == calendar.parse(daily)
        before = daily
