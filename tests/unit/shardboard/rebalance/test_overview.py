"""The overview adds up what shards, Kafka and workers tell, and says what it could not be told."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import MoveLimits, MovePhase, PlanRecord, StoredMap
from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.figures import ShardFigures
from shardboard.rebalance.overview import Overview, ShardRow, overview
from shardboard.rebalance.plan_file import order_of
from tests.support.clusters import (
    DEPLOYMENT,
    S1,
    S2,
    S3,
    S4,
    cluster,
    entry,
    figures,
    moving,
    owner_of,
    paused,
    report,  # fmt: skip
    with_entries,
    with_owner,
)

STORED = cluster(S1, S2, S3, joined=(S4,))
ENDS = {Partition(p): 12 for p in range(64)}


def look(stored: StoredMap = STORED, told: dict[ShardId, ShardFigures] | None = None, **given: Any) -> Overview:
    facts: dict[str, Any] = {"ends": ENDS, "reports": [], "plans": [], "now_ms": 9_000, **given}
    return overview(stored, figures(stored) if told is None else told, **facts)


def row(shard: ShardId, told: Overview) -> ShardRow:
    return next(each for each in told.shards if each.shard == shard)


def test_figures_of_a_shard_are_summed_over_what_it_owns() -> None:
    told = look()
    mine = [p for p in range(64) if owner_of(STORED, p).shard == S1]
    first = row(S1, told)
    assert (first.state, first.partitions, first.cap, first.share) == ("serving", 18, 24, 21.33)
    assert first.users == sum(1_000 + p for p in mine)
    assert (first.lag, first.records_per_s, first.memory_bytes) == (18 * 2, 180.0, 1_000_000)
    assert (row(S4, told).state, row(S4, told).share, row(S4, told).cap) == ("idle", 0, 0)
    assert told.balance == pytest.approx(24 / 21.33, abs=0.001)
    assert (told.problems, told.exit_code) == ((), ExitCode.OK)


def test_shards_stand_as_people_count() -> None:
    stored = with_entries(STORED, entry(ShardId("s10")))
    assert [each.shard for each in look(stored).shards] == ["s1", "s2", "s3", "s4", "s10"]


@pytest.mark.parametrize(
    ("fields", "state", "code"),
    [
        ({"fault": "refused", "held": {}, "partitions": {}}, "unreachable", ExitCode.FAILED),
        ({"has_worker": False}, "no-worker", ExitCode.FAILED),
    ],
)
def test_a_shard_that_does_not_serve_is_a_failure(fields: dict[str, Any], state: str, code: ExitCode) -> None:
    told = figures(STORED)
    told[S2] = replace(told[S2], **fields)
    seen = look(told=told)
    assert (row(S2, seen).state, seen.exit_code) == (state, code)
    assert (row(S2, seen).users is None) == bool(row(S2, seen).fault)
    idle = figures(STORED)
    idle[S4] = replace(idle[S4], has_worker=False)
    assert look(told=idle).exit_code is ExitCode.OK, "nobody misses a shard that holds nothing"


def test_a_leaving_shard_is_shown_as_such() -> None:
    told = look(with_entries(STORED, entry(S3, is_leaving=True)))
    assert (row(S3, told).state, row(S3, told).share) == ("leaving", 0)


def test_kafka_that_is_away_leaves_the_lag_unknown() -> None:
    assert row(S1, look(ends=None)).lag is None
    assert look(ends={Partition(0): 1}).problems == ("Kafka's topic has 1 partitions, the map 64",)


def test_a_partition_without_state_leaves_the_lag_unknown() -> None:
    told = figures(STORED)
    told[S1] = replace(told[S1], held=dict(list(told[S1].held.items())[1:]))
    assert row(S1, look(told=told)).lag is None


def test_moves_and_leftovers_are_shown_with_what_was_told_of_them() -> None:
    source = owner_of(STORED, 5).shard
    stored = with_owner(moving(STORED, 5, target=S4), 9, forget=(S2,))
    copying = report(5, MovePhase.COPYING, rows_copied=7, reason="chunk 1", begun_ms=1_000)
    told = look(stored, reports=[copying, report(9, MovePhase.FORGETTING, reason="s2 is away")])
    move, leftover = told.moves
    assert (move.partition, move.source, move.target, move.phase) == (5, source, S4, "copying")
    assert (move.rows_copied, move.reason, move.seconds) == (7, "chunk 1", 8.0)
    assert (leftover.partition, leftover.source, leftover.phase, leftover.reason) == (9, S2, "forgetting", "s2 is away")
    assert (row(S4, told).arriving, row(source, told).departing) == (1, 1)


def test_the_running_plan_and_the_limits_are_told() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    plan = draft_plan(asked, STORED, figures=figures(STORED), reports=[], occasion=Occasion("a", 1, DEPLOYMENT))
    record = PlanRecord(7, plan.checksum, 4_000, "ann@host", 4, "running", order_of(plan, STORED).content)
    told = look(paused(STORED, moves_at_once=4), plans=[record, replace(record, plan=8, state="done")])
    assert told.plan is not None
    assert (told.plan.plan, told.plan.change, told.plan.seconds) == (7, "add s4", 5.0)
    assert (told.limits.is_paused, told.limits.moves_at_once) == (True, 4)


def test_without_a_map_that_is_what_is_told() -> None:
    empty = StoredMap(0, None, (), MoveLimits())
    told = look(empty, {})
    assert (told.shards, told.partitions, told.balance) == ((), 0, None)
    assert "there is no shard map yet" in told.problems[0]
    assert told.exit_code is ExitCode.UNKNOWN
