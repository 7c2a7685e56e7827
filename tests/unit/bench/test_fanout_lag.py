"""How far readers are behind is taken from when changes were published, not from when they were noticed."""

import pytest

from bench.fanout_lag import Published, lag_of, waits_s

CHANGES = [Published(1, 10.0), Published(2, 10.1), Published(3, 10.2)]


def test_each_change_waits_until_it_or_a_newer_one_was_seen() -> None:
    seen = [(1, 10.02), (3, 10.25)]
    assert list(waits_s(CHANGES, seen)) == pytest.approx([0.02, 0.15, 0.05])


def test_who_has_the_change_before_is_at_most_one_behind() -> None:
    assert list(waits_s(CHANGES, [(1, 10.3), (3, 10.5)], behind=1)) == pytest.approx([0.2, 0.3])
    assert list(waits_s(CHANGES, [(1, 10.0), (2, 10.1)], behind=1)) == [0.0, 0.0]


def test_a_reader_that_stays_behind_waits_for_ever_and_is_counted() -> None:
    assert list(waits_s(CHANGES, [(2, 10.2)])) == pytest.approx([0.2, 0.1])
    lag = lag_of(CHANGES, [[(2, 10.2)], [(1, 10.0), (2, 10.1), (3, 10.2)], []])
    assert lag.missed == 2
    assert lag.max_ms == pytest.approx(200)


def test_the_percentiles_are_over_all_readers_and_changes() -> None:
    prompt = [(change.version, change.at_s + 0.001) for change in CHANGES]
    slow = [(change.version, change.at_s + 0.09) for change in CHANGES]
    lag = lag_of(CHANGES, [prompt] * 99 + [slow])
    assert (lag.p50_ms, lag.p99_ms, lag.max_ms) == pytest.approx((1, 90, 90))
    assert (lag.behind_p99_ms, lag.missed) == (0, 0)
