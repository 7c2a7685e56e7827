"""Short answers say what was done, in words and in values."""

from contracts.moves import MapChange, PlanRecord
from shardboard.rebalance import change
from shardboard.rebalance.answers import Aborted, LimitsAnswer, history_of
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.overview import Limits
from shardboard.rebalance.plan_file import order_of
from tests.support.clusters import DEPLOYMENT, S1, S2, S3, cluster, figures


def test_aborted_names_the_partitions() -> None:
    assert Aborted(partitions=(3, 9)).text == "2 moves taken back, their owners go on: partitions 3, 9"
    assert Aborted(partitions=()).text.startswith("nothing to do")


def test_limits_are_said_in_words() -> None:
    free = LimitsAnswer(
        changed=True, map_version=1, limits=Limits(is_paused=False, moves_at_once=2, users_per_s_max=None)
    )
    assert free.text == "moves go on; 2 at once, as fast as it goes"
    slow = LimitsAnswer(
        changed=True, map_version=1, limits=Limits(is_paused=True, moves_at_once=1, users_per_s_max=20_000)
    )
    assert slow.text == "moves are paused: `rebalance resume` goes on; 1 at once, at most 20,000 users/s each"


def test_history_tells_plans_and_changes_newest_first() -> None:
    stored = cluster(S1, S2, S3)
    plan = draft_plan(
        change.remove(stored, [S3]),
        stored,
        figures=figures(stored),
        reports=[],
        occasion=Occasion("a", 1, DEPLOYMENT),
        undoes=None,
    )
    content = order_of(plan, stored).content
    plans = [PlanRecord(n, plan.checksum, n, "ann", n, "done", content) for n in (1, 2)]
    changes = [MapChange(9, 5, "ann", b'{"what": "planned", "moves": 24}'), MapChange(8, 4, "w", b'{"what": "joined"}')]
    told = history_of(plans, changes)
    assert [(row.plan, row.change, row.moves, row.undoes) for row in told.plans] == [
        (2, "remove s3", 24, None),
        (1, "remove s3", 24, None),
    ]
    assert [row.change for row in told.changes] == [{"what": "planned", "moves": 24}, {"what": "joined"}]
