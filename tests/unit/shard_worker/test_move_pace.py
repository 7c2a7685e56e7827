"""A copy rests when others suffer or an operator wants it, never for good, and goes on at full speed afterwards."""

import pytest

from shard_worker.move_pace import LAG_S_MAX, LATENCY_MS_MAX, REST_MAX, REST_MIN, Load, Pace

QUIET = Load(0.0, 1.0)
LATE = Load(LAG_S_MAX + 1, 1.0)


def test_nobody_suffering_there_is_no_rest() -> None:
    assert Pace().after(QUIET) == Pace()
    assert Pace().rest_s(worked_s=3.0, users=10**6, users_per_s_max=None) == 0.0


@pytest.mark.parametrize(
    ("load", "reason"),
    [(LATE, "yields: this shard's log is 3.0 s behind"),
     (Load(0.0, LATENCY_MS_MAX + 1), "yields: a Redis answers after 51 ms")],
)  # fmt: skip
def test_rest_grows_while_others_suffer_and_has_a_bound(load: Load, reason: str) -> None:
    pace, rests = Pace(), []
    for _ in range(8):
        pace = pace.after(load)
        rests.append(pace.rest)
    assert rests[:5] == [REST_MIN, 0.5, 1.0, 2.0, 4.0]
    assert max(rests) == REST_MAX
    assert pace.reason == reason
    assert pace.rest_s(worked_s=0.5, users=1, users_per_s_max=None) == 0.5 * REST_MAX


def test_rest_shrinks_to_nothing_when_nobody_suffers_any_more() -> None:
    pace = Pace()
    for _ in range(8):
        pace = pace.after(LATE)
    for _ in range(5):
        assert pace.reason
        pace = pace.after(QUIET)
    assert pace == Pace()


def test_operators_limit_holds_whatever_else() -> None:
    assert Pace().rest_s(worked_s=0.2, users=1_000, users_per_s_max=2_000) == pytest.approx(0.3)
    assert Pace().rest_s(worked_s=0.9, users=1_000, users_per_s_max=2_000) == 0.0
    resting = Pace(rest=2.0)
    assert resting.rest_s(worked_s=0.2, users=1_000, users_per_s_max=2_000) == pytest.approx(0.4)
