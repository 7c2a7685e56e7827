"""The one place where engine code reads the wall clock. Deciding code gets `now` as a value instead."""

import time


def now_ms() -> int:
    """Unix time in ms."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds on a clock that never goes back, for deadlines and durations."""
    return time.monotonic()
