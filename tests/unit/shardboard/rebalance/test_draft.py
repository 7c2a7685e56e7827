"""A drafted plan says everything that its operator and its undo need."""

from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.plan_file import map_seal, read_plan, write_plan
from tests.support.clusters import DEPLOYMENT, S1, S2, S3, S4, cluster, figures

STORED = cluster(S1, S2, S3, joined=(S4,))


def test_the_plan_names_who_when_what_and_for_which_map() -> None:
    asked = change.add(STORED, [NewShard(S4, weight=300)])
    plan = draft_plan(
        asked, STORED, figures=figures(STORED), reports=[], occasion=Occasion("ann@host", 5, DEPLOYMENT), undoes=4
    )
    assert (plan.kind, plan.change, plan.made_by, plan.made_ms) == ("add", "add s4", "ann@host", 5)
    assert (plan.deployment, plan.partitions, plan.map_version) == (DEPLOYMENT, 64, 3)
    assert (plan.map_seal, plan.weights, plan.undoes) == (map_seal(STORED), {"s4": 300}, 4)
    assert [(move.partition, move.reason) for move in plan.moves] == [(m.partition, m.reason) for m in asked.moves]
    assert {load.shard: load.weight_before for load in plan.shards}["s4"] == 100
    assert read_plan(write_plan(plan)) == plan


def test_the_same_question_makes_the_same_plan() -> None:
    plans = {
        draft_plan(
            change.even(STORED), STORED, figures=figures(STORED), reports=[], occasion=Occasion("a", 5, DEPLOYMENT)
        ).checksum
        for _ in range(3)
    }
    assert len(plans) == 1
