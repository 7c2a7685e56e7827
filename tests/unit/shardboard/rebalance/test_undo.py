"""Undo brings a plan's partitions back to where they were, whatever became of the plan."""

from dataclasses import replace

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import Epoch
from contracts.moves import PlanRecord, PlanState, StoredMap
from shardboard.command_error import CommandError
from shardboard.rebalance import change
from shardboard.rebalance.change import Change, NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.plan_file import order_of
from shardboard.rebalance.undo import plan_to_undo, undo
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
    with_entries,  # fmt: skip
    with_owner,
)

STORED = cluster(S1, S2, S3, joined=(S4,))


def record(
    asked: Change, stored: StoredMap = STORED, *, number: int = 7, state: PlanState = "done", undoes: int | None = None
) -> PlanRecord:
    plan = draft_plan(
        asked, stored, figures=figures(stored), reports=[], occasion=Occasion("a", 1, DEPLOYMENT), undoes=undoes
    )
    order = order_of(plan, stored)
    return PlanRecord(number, plan.checksum, 1, "a", 4, state, order.content)


def carried_out(asked: Change, stored: StoredMap, *, only: int | None = None) -> StoredMap:
    """The map after the first `only` moves, or all."""
    for move in asked.moves[:only]:
        epoch = Epoch(owner_of(stored, move.partition).epoch + 1)
        stored = with_owner(stored, move.partition, shard=move.target, epoch=epoch)
    entries = [replace(e, weight=asked.weights.get(e.shard, e.weight)) for e in stored.shards]
    return with_entries(stored, *entries)


def test_all_that_moved_goes_back() -> None:
    asked = change.add(STORED, [NewShard(S4, weight=200)])
    back = undo(record(asked), carried_out(asked, STORED)).change
    assert {(m.partition, m.source, m.target) for m in back.moves} == {
        (m.partition, m.target, m.source) for m in asked.moves
    }
    assert (dict(back.weights), back.words) == ({S4: 100}, "undo plan 7 (add s4)")
    assert all(move.reason.startswith("plan 7 (add s4) brought it here from") for move in back.moves)
    assert set(back.members) == {S1, S2, S3}


def test_what_was_not_moved_stays() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    back = undo(record(asked, state="aborted"), carried_out(asked, STORED, only=5))
    assert [m.partition for m in back.change.moves] == [m.partition for m in asked.moves[:5]]
    assert back.gone_on == ()
    nothing = undo(record(asked, state="aborted"), STORED).change
    assert nothing.is_empty


def test_partitions_that_went_on_since_are_told_and_stay() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    first = asked.moves[0]
    elsewhere = next(shard for shard in (S1, S2, S3) if shard != first.source)
    now = with_owner(carried_out(asked, STORED), first.partition, shard=elsewhere)
    back = undo(record(asked), now)
    assert back.gone_on == (first.partition,)
    assert first.partition not in {move.partition for move in back.change.moves}


def test_a_shard_that_is_leaving_stays() -> None:
    asked = change.remove(STORED, [S3])
    now = with_entries(carried_out(asked, STORED), entry(S3, is_leaving=True))
    back = undo(record(asked), now).change
    assert (set(back.staying), back.joining) == ({S3}, ())
    assert {move.target for move in back.moves} == {S3}


def test_a_shard_that_has_left_is_known_again() -> None:
    asked = change.remove(STORED, [S3])
    moved = carried_out(asked, STORED)
    now = replace(moved, shards=tuple(e for e in moved.shards if e.shard != S3))
    back = undo(record(asked), now).change
    assert [(e.shard, e.url, e.weight) for e in back.joining] == [(S3, "redis://s3:6379/0", 100)]
    assert back.members[S3] == 100


def test_a_source_that_another_plan_removed_is_refused() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    moved = carried_out(asked, STORED)
    now = replace(moved, shards=tuple(e for e in moved.shards if e.shard != S3))
    with pytest.raises(CommandError, match="s3 has left since"):
        undo(record(asked), now)


def test_a_weight_that_was_changed_again_stays() -> None:
    asked = change.weigh(STORED, {S1: 200})
    now = with_entries(carried_out(asked, STORED), entry(S1, 300))
    assert dict(undo(record(asked), now).change.weights) == {}


def test_undo_waits_for_what_is_under_way() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    with pytest.raises(CommandError, match="are on their way"):
        undo(record(asked), moving(STORED, 0, target=S4))


def test_the_newest_plan_that_still_holds_is_undone() -> None:
    asked = change.add(STORED, [NewShard(S4)])
    first, second = record(asked, number=1), record(asked, number=2, state="undone")
    back = record(asked, number=3, undoes=2)
    assert plan_to_undo([first, second, back], None) == first
    assert plan_to_undo([first, second, back], 3) == back, "redone on demand"
    for number, code in ((2, ExitCode.REFUSED), (9, ExitCode.USAGE)):
        with pytest.raises(CommandError) as refused:
            plan_to_undo([first, second, back], number)
        assert refused.value.code is code
    with pytest.raises(CommandError) as nothing:
        plan_to_undo([second, back], None)
    assert nothing.value.code is ExitCode.NOTHING_TO_DO
