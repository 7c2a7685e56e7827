"""Every way in which shards can contradict the map is found, and nothing that is in order is."""

from dataclasses import replace
from typing import Any

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import Epoch, Partition, ShardId
from contracts.progress import Progress, State
from shardboard.rebalance.figures import ShardFigures
from shardboard.rebalance.map_check import both, check_map
from tests.support.clusters import S1, S2, cluster, figures, moving, owner_of, progress, with_owner

STORED = cluster(S1, S2, partitions=8)
TOLD = figures(STORED)
P = next(Partition(p) for p in range(8) if owner_of(STORED, p).shard == S1)


def holding(shard: ShardId, held: Progress | None) -> dict[ShardId, ShardFigures]:
    """The shards, one of them holding this of P."""
    others = {p: each for p, each in TOLD[shard].held.items() if p != P}
    return {**TOLD, shard: replace(TOLD[shard], held=others if held is None else {**others, P: held})}


def test_what_is_in_order_has_no_findings() -> None:
    check = check_map(STORED, TOLD, topic_partitions=8)
    assert (check.findings, check.partitions, check.exit_code) == ((), 8, ExitCode.OK)
    assert check_map(STORED, TOLD, topic_partitions=None).exit_code is ExitCode.OK


@pytest.mark.parametrize(
    ("told", "shard", "what"),
    [
        (holding(S1, None), S1, "not_owned"),
        (holding(S1, progress("s1", state=State.RESTORING)), S1, "not_owned"),
        (holding(S1, progress("s1", 2)), S1, "other_epoch"),
        (holding(S1, progress("s1", fenced=True)), S1, "fenced"),
        (holding(S2, progress("s2", 1)), S2, "two_owners"),
        (holding(S2, progress("s2", 9)), S2, "two_owners"),
        (holding(S2, progress("s2", 9, fenced=True)), S2, "unlisted_leftover"),
        (holding(S2, progress("s2", 1, state=State.COPYING)), S2, "unlisted_leftover"),
    ],
    ids=["nothing", "restoring", "other epoch", "fenced", "two", "newer", "fenced leftover", "half a copy"],
)
def test_a_contradiction_is_found(told: dict[ShardId, ShardFigures], shard: ShardId, what: str) -> None:
    check = check_map(STORED, told, topic_partitions=8)
    assert [(f.partition, f.shard, f.what) for f in check.findings] == [(P, shard, what)]
    assert check.exit_code is ExitCode.DIFFERENT


def test_state_of_an_older_epoch_elsewhere_is_a_leftover_not_an_owner() -> None:
    stored = with_owner(STORED, P, epoch=Epoch(3))
    told = {**holding(S1, progress("s1", 3)), S2: holding(S2, progress("s2", 2))[S2]}
    assert [f.what for f in check_map(stored, told, topic_partitions=8).findings] == ["unlisted_leftover"]
    assert check_map(with_owner(stored, P, forget=(S2,)), told, topic_partitions=8).findings == ()


def test_a_move_may_fence_its_source_and_fill_its_target() -> None:
    stored = moving(STORED, P, target=S2)
    told = {
        **holding(S1, progress("s1", 2, fenced=True)),
        S2: holding(S2, progress("s2", 2, state=State.COPYING))[S2],
    }
    check = check_map(stored, told, topic_partitions=8)
    assert (check.findings, check.moving) == ((), 1)


@pytest.mark.parametrize("fault_of", [S1, S2])
def test_a_shard_that_does_not_answer_is_not_called_wrong(fault_of: ShardId) -> None:
    check = check_map(STORED, figures(STORED, **{fault_of: "refused"}), topic_partitions=8)
    assert {finding.what for finding in check.findings} == {"unreachable", "owner_unreachable"}
    assert check.exit_code is ExitCode.UNKNOWN


def test_an_owner_that_takes_no_part_is_found() -> None:
    told = {S1: TOLD[S1]}
    assert {f.what for f in check_map(STORED, told, topic_partitions=8).findings} == {"owner_unknown"}


def test_the_topic_must_have_as_many_partitions() -> None:
    (finding,) = check_map(STORED, TOLD, topic_partitions=16).findings
    assert (finding.what, finding.detail) == (
        "other_partition_count",
        "Kafka's topic has 16 partitions, the map 8",
    )


def test_without_a_map_nothing_can_be_right() -> None:
    none: Any = replace(STORED, map=None)
    assert [f.what for f in check_map(none, {}, topic_partitions=8).findings] == ["no_map"]


def test_only_what_two_looks_agree_on_is_told() -> None:
    passing = check_map(STORED, holding(S1, progress("s1", 2)), topic_partitions=8)
    lasting = check_map(STORED, holding(S1, progress("s1", 3)), topic_partitions=8)
    clean = check_map(STORED, TOLD, topic_partitions=8)
    assert both(passing, clean).findings == both(clean, passing).findings == ()
    assert both(passing, lasting).findings == lasting.findings
