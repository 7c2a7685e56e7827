"""Nobody asks more often than the limit allows, and those who keep to it are never refused."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.problems import RATE_LIMITED
from gateway.rate_limit import Rate, RateLimiter, parse_rate


def limiter(per_s: int = 10, burst: int = 3, *, askers_max: int = 100) -> RateLimiter:
    return RateLimiter("user", Rate(per_s, burst), askers_max=askers_max)


def test_a_burst_at_once_then_the_rate() -> None:
    limit = limiter()
    assert [limit.wait_s("ann", 5.0) for _ in range(3)] == [0, 0, 0]
    assert limit.wait_s("ann", 5.0) == pytest.approx(0.1)
    assert limit.wait_s("ann", 5.05) == pytest.approx(0.05)
    assert limit.wait_s("ann", 5.11) == 0
    assert limit.wait_s("bob", 5.11) == 0


def test_who_is_refused_loses_nothing_by_asking() -> None:
    limit = limiter(burst=1)
    assert limit.wait_s("ann", 0.0) == 0
    for asked in range(50):
        assert limit.wait_s("ann", 0.001 * asked) > 0
    assert limit.wait_s("ann", 0.1001) == 0


def test_a_refusal_tells_the_limit_in_its_headers() -> None:
    limit = limiter(per_s=2, burst=4)
    assert [limit.refusal("ann", 1.0) for _ in range(4)] == [None] * 4
    problem = limit.refusal("ann", 1.0)
    assert problem is not None
    assert problem.kind is RATE_LIMITED
    assert dict(problem.headers) == {
        b"retry-after": b"1",
        b"ratelimit-policy": b'"user";q=4;w=2',
        b"ratelimit": b'"user";r=0;t=1',
    }


def test_without_a_limit_nobody_is_refused_or_remembered() -> None:
    limit = RateLimiter("user", Rate(0, 0), askers_max=1)
    assert [limit.refusal("ann", 1.0) for _ in range(1_000)] == [None] * 1_000
    assert len(limit) == 0


def test_memory_is_bounded_and_those_who_ask_stay_known() -> None:
    limit = limiter(per_s=1, burst=1, askers_max=10)
    assert limit.wait_s("ann", 0.0) == 0
    for stranger in range(1_000):
        limit.wait_s(stranger, 0.0)
        assert len(limit) <= 20
        if stranger < 9:
            assert limit.wait_s("ann", 0.0) > 0


@given(
    st.integers(1, 50), st.integers(1, 20), st.lists(st.floats(0, 0.5), min_size=1, max_size=200), st.integers(0, 2**31)
)
def test_in_no_stretch_of_time_more_than_burst_and_rate(
    per_s: int, burst: int, gaps_s: list[float], since_s: int
) -> None:
    limit = limiter(per_s, burst)
    times = list(itertools.accumulate(gaps_s, initial=float(since_s)))
    admitted = [at for at in times if limit.wait_s("ann", at) == 0]
    for first, last in itertools.combinations(range(len(admitted)), 2):
        assert last - first + 1 <= burst + per_s * (admitted[last] - admitted[first]) + 1e-3


@given(st.integers(1, 1_000), st.integers(1, 50))
def test_who_keeps_to_the_rate_is_never_refused(per_s: int, burst: int) -> None:
    limit = limiter(per_s, burst)
    assert all(limit.wait_s("ann", 7.0 + asked / per_s * 1.000_001) == 0 for asked in range(200))


def test_a_rate_is_written_as_people_say_it() -> None:
    assert parse_rate("50/s burst 250") == Rate(50, 250)
    assert parse_rate(" 5/s ") == Rate(5, 5)
    assert parse_rate("0") == Rate(0, 0)


@pytest.mark.parametrize("text", ["", "5", "5/m", "0/s", "-1/s", "5/s burst 0", "5/s burst", "9999999/s", "1.5/s"])
def test_other_rates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be 0, N/s"):
        parse_rate(text)
