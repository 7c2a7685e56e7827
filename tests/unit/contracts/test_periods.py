"""Names of periods and calendars are read strictly; a remembered span is the computed one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.periods import FOREVER_MS, KINDS, BadPeriod, PeriodCalendar, SpanCache

ALL = PeriodCalendar("all_time,daily,weekly,monthly")
ZONES = ["UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
AT_MS = st.integers(0, 4_102_444_800_000)  # to 2100


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "unknown period kind ''"),
        ("daily", "all_time must be among"),
        ("all_time,hourly", "unknown period kind 'hourly'"),
        ("all_time,daily,daily@Europe/Paris", "'daily' is given twice"),
        ("all_time@Europe/Paris", "all_time has no time zone"),
        ("all_time,daily@Europe/Atlantis", "unknown time zone 'Europe/Atlantis'"),
        ("all_time,daily@../../etc/passwd", "unknown time zone"),
        ("all_time,daily@", "unknown time zone ''"),
    ],
)
def test_a_wrong_calendar_is_refused_with_the_rule(spec: str, told: str) -> None:
    with pytest.raises(BadPeriod) as refusal:
        PeriodCalendar(spec)
    assert told in str(refusal.value)


def test_a_calendar_has_one_canonical_form() -> None:
    assert PeriodCalendar(" weekly@UTC , daily@Europe/Paris,all_time").spec == "all_time,daily@Europe/Paris,weekly"
    assert PeriodCalendar(ALL.spec).spec == ALL.spec


@pytest.mark.parametrize(
    "text",
    [
        "",
        "daily",
        "all_time:",
        "daily:2026-2-3",
        "daily:2026-02-30",
        "daily:2026-02-28 ",
        "daily:2026-02-28\n",
        "daily:２０２６-02-28",
        "weekly:2026-W00",
        "weekly:2025-W53",
        "weekly:2026W48",
        "monthly:2026-13",
        "monthly:2026",
        "daily:0001-01-01",
        "daily:9999-12-31",
        "weekly:9999-W52",
        "monthly:9999-12",
        "hourly:2026-11-24",
    ],
)
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod):
        ALL.parse(text)


def test_a_kind_that_is_not_configured_is_refused_by_name() -> None:
    calendar = PeriodCalendar("all_time,daily")
    with pytest.raises(BadPeriod, match="'monthly' is not configured here; configured: all_time, daily"):
        calendar.parse("monthly:2026-11")
    with pytest.raises(BadPeriod, match="'weekly' is not configured"):
        calendar.current("weekly", 0)


def test_all_time_has_no_end() -> None:
    period = ALL.parse("all_time")
    assert (period.start_ms, period.end_ms) == (0, FOREVER_MS)


@settings(deadline=None)  # a busy machine is no counterexample
@given(at_ms=AT_MS, zone=st.sampled_from(ZONES), kind=st.sampled_from(KINDS[1:]))
def test_a_moment_lies_within_its_period_and_ids_read_back(at_ms: int, zone: str, kind: str) -> None:
    calendar = PeriodCalendar(f"all_time,{kind}@{zone}")
    period = calendar.current(kind, at_ms)
    assert period.start_ms <= at_ms < period.end_ms
    assert calendar.parse(period.id) == period


@settings(deadline=None)
@given(at_ms=AT_MS, zone=st.sampled_from(ZONES))
def test_periods_follow_one_another_without_gap(at_ms: int, zone: str) -> None:
    calendar = PeriodCalendar(f"all_time,daily@{zone}")
    period = calendar.current("daily", at_ms)
    following = calendar.current("daily", period.end_ms)
    assert following.start_ms == period.end_ms
    assert following.id > period.id


@settings(deadline=None)
@given(st.lists(AT_MS, max_size=100))
def test_a_remembered_span_is_the_computed_one(moments: list[int]) -> None:
    cache = SpanCache(ALL)
    for at_ms in moments + moments:
        assert cache.span_at(at_ms) == ALL.span_at(at_ms)
