"""Periods against the clocks of real zones, minute by minute: five zones on both days that their clocks change, leaps
at midnight, of half an hour and across a day, leap days, weeks 53. The expectation knows no offsets: a moment belongs
to the period of the latest time that the zone's clock has shown so far."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from contracts.counting import CountingRules, open_boards
from contracts.ids import LogMs
from contracts.periods import HOURS, BadPeriod, PeriodCalendar

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
CHANGES = [
    ("Europe/Paris", "2026-03-29"), ("Europe/Paris", "2026-10-25"),
    ("America/New_York", "2026-03-08"), ("America/New_York", "2026-11-01"),
    ("America/Havana", "2026-03-08"), ("America/Havana", "2026-11-01"),
    ("Australia/Lord_Howe", "2026-04-05"), ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Santiago", "2026-04-04"), ("America/Santiago", "2026-09-06"),
    ("America/St_Johns", "2010-11-07"), ("Antarctica/Casey", "2010-03-05"), ("Pacific/Apia", "2011-12-30"),
]  # fmt: skip
SPEC = "all_time,daily@{zone},weekly@{zone},monthly@{zone}," + ",".join(f"every{hours}h@{{zone}}" for hours in HOURS)


def ms(text: str) -> int:
    """Unix ms of an ISO time with its offset."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def expected_ids(latest: datetime) -> list[str]:
    """By the latest time that the clock has shown."""
    year, week, _ = latest.isocalendar()
    hours = [f"every{n}h:{latest:%Y-%m-%d}T{latest.hour - latest.hour % n:02}" for n in HOURS]
    return ["all_time", f"daily:{latest:%Y-%m-%d}", f"weekly:{year}-W{week:02}", f"monthly:{latest:%Y-%m}", *hours]


def minutes(zone: str, day: str) -> Iterator[tuple[int, datetime]]:
    """Three days around a change: each minute's moment, and the latest time that the clock has shown by then."""
    info = ZoneInfo(zone)
    at_ms = round(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp() * 1000) - 36 * HOUR_MS
    latest = datetime(1970, 1, 1)  # noqa: DTZ001  a clock's face has no zone
    for _ in range(3 * 24 * 60):
        latest = max(latest, datetime.fromtimestamp(at_ms // 1000, info).replace(tzinfo=None))
        yield at_ms, latest
        at_ms += MINUTE_MS


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_each_minute_around_a_change_of_the_clock_is_in_its_periods(zone: str, day: str) -> None:
    calendar = PeriodCalendar(SPEC.format(zone=zone))
    before = None
    for at_ms, latest in minutes(zone, day):
        span = calendar.span_at(at_ms)
        assert list(span.ids) == expected_ids(latest)
        assert span.start_ms <= at_ms < span.end_ms
        if before is None or span != before:
            for period in span.periods:
                assert calendar.parse(period.id) == period
                assert period.start_ms <= at_ms < period.end_ms
            if before is not None:
                assert span.start_ms == before.end_ms, "no moment between two spans, none in both"
                # Boundary second: the last ms belongs to the old periods, the first to the new ones.
                assert calendar.span_at(before.end_ms - 1) == before
                assert calendar.span_at(span.start_ms) == span
            before = span


@pytest.mark.parametrize(
    ("spec", "period_id", "start", "hours"),
    [
        ("every6h", "every6h:2026-11-24T18", "2026-11-24T18:00:00+00:00", 6),
        ("every6h@Europe/Paris", "every6h:2026-03-29T00", "2026-03-29T00:00:00+01:00", 5),
        ("every6h@Europe/Paris", "every6h:2026-10-25T00", "2026-10-25T00:00:00+02:00", 7),
        # The clock leaps from 2 to 3: the hour in between has no moment; set back from 3 to 2, hour 2 lasts two.
        ("every1h@Europe/Paris", "every1h:2026-03-29T02", "2026-03-29T03:00:00+02:00", 0),
        ("every1h@Europe/Paris", "every1h:2026-10-25T02", "2026-10-25T02:00:00+02:00", 2),
        ("every1h@Australia/Lord_Howe", "every1h:2026-04-05T01", "2026-04-05T01:00:00+11:00", 1.5),
        ("every12h@Asia/Kathmandu", "every12h:2026-11-24T12", "2026-11-24T12:00:00+05:45", 12),
        # Samoa skipped the 30th: all its periods are empty, at the leap.
        ("every6h@Pacific/Apia", "every6h:2011-12-30T06", "2011-12-31T00:00:00+14:00", 0),
        ("monthly", "monthly:2028-02", "2028-02-01T00:00:00+00:00", 29 * 24),
        ("monthly@Europe/Paris", "monthly:2026-03", "2026-03-01T00:00:00+01:00", 31 * 24 - 1),
        ("daily@America/New_York", "daily:2028-02-29", "2028-02-29T00:00:00-05:00", 24),
        ("weekly@Europe/Paris", "weekly:2026-W53", "2026-12-28T00:00:00+01:00", 168),
    ],
)
def test_where_a_period_begins_and_how_long_it_lasts(spec: str, period_id: str, start: str, hours: float) -> None:
    period = PeriodCalendar(f"all_time,{spec}").parse(period_id)
    assert (period.start_ms, period.end_ms - period.start_ms) == (ms(start), hours * HOUR_MS)


@pytest.mark.parametrize(
    "period_id",
    ["every6h:2026-11-24T07", "every6h:2026-11-24T24", "every6h:2026-11-24", "every6h:2026-02-29T06",
     "every4h:2026-11-24T04", "every5h:2026-11-24T05", "every6h:2026-11-24T6", "every06h:2026-11-24T06",
     "every6h:2026-11-24T06:00"],
)  # fmt: skip
def test_hours_at_which_nothing_begins_are_refused(period_id: str) -> None:
    with pytest.raises(BadPeriod):
        PeriodCalendar("all_time,every6h").parse(period_id)


def test_periods_of_hours_are_configured_like_others() -> None:
    calendar = PeriodCalendar("every6h@Europe/Paris,all_time,every1h")
    assert calendar.spec == "all_time,every1h,every6h@Europe/Paris"
    assert (calendar.zone_of("every6h"), calendar.zone_of("every1h")) == ("Europe/Paris", "UTC")
    for spec in ("all_time,every5h", "all_time,every24h", "all_time,every6h,every6h@Europe/Paris"):
        with pytest.raises(BadPeriod):
            PeriodCalendar(spec)


def test_an_action_of_the_last_moment_counts_there_while_the_board_takes_late_ones() -> None:
    calendar, rules = PeriodCalendar("all_time,every1h,daily"), CountingRules()
    hour = calendar.parse("every1h:2026-11-24T23")
    span = calendar.span_at(hour.end_ms - 1)
    assert open_boards(span, LogMs(hour.end_ms + rules.lateness_ms - 1), rules=rules) == (
        "all_time", "daily:2026-11-24", "every1h:2026-11-24T23",
    )  # fmt: skip
    assert open_boards(span, LogMs(hour.end_ms + rules.lateness_ms), rules=rules) == ("all_time",)
    assert (
        "every1h:2026-11-25T00" in calendar.span_at(hour.start_ms + int(timedelta(hours=1).total_seconds() * 1000)).ids
    )
