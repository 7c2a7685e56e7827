"""Durations and rates as people type them."""

import pytest

from shardboard.cli.durations import parse_duration_s, parse_rate_per_s


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)])
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1w", "1.5h", "-1s", "1h30m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration_s(text)


@pytest.mark.parametrize(("text", "rate"), [("500/s", 500.0), ("500", 500.0), ("0.5/s", 0.5), ("max", None)])
def test_rates_are_read(text: str, rate: float | None) -> None:
    assert parse_rate_per_s(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1/s", "5/m", "fast", "2000000/s"])
def test_other_rates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate_per_s(text)
