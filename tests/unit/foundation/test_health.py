"""Ready means that the position moves or that nothing is left to do; being alive is not enough."""

from foundation.health import STALLED_AFTER_S, ProgressHealth

STALL = STALLED_AFTER_S


def test_nothing_observed_is_not_ready() -> None:
    assert not ProgressHealth().is_ready(0.0)


def test_a_moving_position_is_ready_however_large_the_lag() -> None:
    health = ProgressHealth()
    for second in range(0, 60, 5):
        health = health.observe(position=second, lag=1_000_000, now_s=100.0 + second)
        assert health.is_ready(100.0 + second)


def test_a_position_that_stands_still_with_work_left_is_not_ready() -> None:
    health = ProgressHealth().observe(position=7, lag=3, now_s=100.0)
    health = health.observe(position=7, lag=3, now_s=100.0 + STALL / 2)
    assert health.is_ready(100.0 + STALL - 0.01)
    assert not health.is_ready(100.0 + STALL)


def test_nothing_left_to_do_is_ready() -> None:
    health = ProgressHealth().observe(position=7, lag=0, now_s=100.0)
    health = health.observe(position=7, lag=0, now_s=500.0)
    assert health.is_ready(500.0)


def test_who_no_longer_looks_is_not_ready() -> None:
    health = ProgressHealth().observe(position=7, lag=0, now_s=100.0)
    assert not health.is_ready(100.0 + STALL)


def test_a_position_that_went_back_has_moved() -> None:
    """A rolled-back Redis is replayed: that is progress."""
    health = ProgressHealth().observe(position=7, lag=3, now_s=100.0).observe(position=2, lag=8, now_s=200.0)
    assert health.is_ready(200.0)
