"""What a plan takes: from the source's own figures and the measured rate; unknown stays unknown."""

from dataclasses import replace

import pytest

from contracts.moves import MoveLimits, MovePhase, MoveReport
from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.estimate import (
    MEASURED_ROWS_MIN,
    ROWS_PER_S_ASSUMED,
    STEPS_S,
    Rate,
    estimate,
    measured_rate,
    natural,
    plan_moves_of,
    shard_loads,
)
from tests.support.clusters import S1, S2, S3, S4, cluster, figures, report

STORED = cluster(S1, S2, S3, joined=(S4,))
ASKED = change.add(STORED, [NewShard(S4)])
RATE = Rate(10_000.0, 3)


def done(rows: int, paused_ms: int | None, *, changed_ms: int = 1) -> MoveReport:
    return report(0, MovePhase.DONE, rows_copied=rows, paused_ms=paused_ms, changed_ms=changed_ms)


def test_rate_is_the_median_of_moves_that_copied_something() -> None:
    assert measured_rate([]) == Rate(ROWS_PER_S_ASSUMED, 0)
    slow, usual, fast = done(10_000, 10_000), done(20_000, 1_000), done(90_000, 1_000)
    tiny, unpaused = done(MEASURED_ROWS_MIN - 1, 1), done(50_000, None)
    undone, restored = replace(fast, phase=MovePhase.ABORTED), replace(fast, reason="from archive")
    assert measured_rate([fast, slow, usual, tiny, unpaused, undone, restored]) == Rate(20_000.0, 3)


def test_only_the_newest_moves_are_measured() -> None:
    old = [done(10_000, 10_000, changed_ms=n) for n in range(100)]
    new = [done(10_000, 100, changed_ms=1_000 + n) for n in range(50)]
    assert measured_rate(old + new) == Rate(100_000.0, 50)


def test_each_move_takes_its_steps_and_its_rows() -> None:
    moves = plan_moves_of(ASKED, figures(STORED), rate=RATE, limits=MoveLimits())
    assert {move.pause_ms for move in moves} == {int((STEPS_S + 0.3) * 1000)}
    assert [move.users for move in moves] == [1_000 + move.partition for move in moves]


def test_a_throttle_is_counted() -> None:
    limits = MoveLimits(users_per_s_max=100)
    (move, *_) = plan_moves_of(ASKED, figures(STORED), rate=RATE, limits=limits)
    assert move.pause_ms == pytest.approx((STEPS_S + (move.users or 0) / 100) * 1000, abs=1)


def test_whole_plan_runs_some_moves_at_once() -> None:
    moves = plan_moves_of(ASKED, figures(STORED), rate=RATE, limits=MoveLimits())
    told = estimate(moves, rate=RATE, limits=MoveLimits(moves_at_once=4))
    assert (told.seconds, told.pause_ms_longest, told.pause_ms_total) == (16 * 0.8 / 4, 800, 16 * 800)
    assert (told.bytes, told.measured_moves) == (1_600_000, 3)
    assert estimate(moves, rate=RATE, limits=MoveLimits(moves_at_once=64)).seconds == 0.8


def test_what_a_source_does_not_tell_is_unknown() -> None:
    told = figures(STORED, s2="connection refused")
    moves = plan_moves_of(ASKED, told, rate=RATE, limits=MoveLimits())
    assert {move.users for move in moves if move.source == S2} == {None}
    assert all(move.users is not None for move in moves if move.source != S2)
    whole = estimate(moves, rate=RATE, limits=MoveLimits())
    assert (whole.seconds, whole.users, whole.bytes, whole.pause_ms_longest) == (None, None, None, None)
    loads = {load.shard: load for load in shard_loads(ASKED, STORED, figures=told)}
    assert (loads["s2"].users_before, loads["s1"].users_before is None) == (None, False)
    assert loads["s4"].users_after is None, "some of its users come from there"


def test_load_before_and_after_adds_up() -> None:
    loads = shard_loads(ASKED, STORED, figures=figures(STORED))
    assert [load.shard for load in loads] == [S1, S2, S3, S4]
    assert sum(load.partitions_before for load in loads) == sum(load.partitions_after for load in loads) == 64
    users = sum(range(1_000, 1_064))
    assert sum(load.users_before or 0 for load in loads) == sum(load.users_after or 0 for load in loads) == users
    assert loads[3].partitions_after == 16
    assert (loads[3].users_before, loads[3].records_per_s_after) == (0, 160.0)
    assert {load.cap for load in loads} == {18}


def test_a_leaving_shard_has_no_cap() -> None:
    loads = shard_loads(change.remove(STORED, [S3]), STORED, figures=figures(STORED))
    assert [(load.shard, load.cap, load.partitions_after) for load in loads][-1] == ("s3", 0, 0)


def test_shards_are_listed_as_people_count() -> None:
    assert sorted(["s10", "s2", "east-1", "s1"], key=natural) == ["east-1", "s1", "s2", "s10"]
