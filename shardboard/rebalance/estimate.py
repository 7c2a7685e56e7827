"""What a plan will take, from what the shards hold and how fast earlier moves were; the load before and after. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final, Literal, TypeVar

from contracts.ids import Partition, ShardId
from contracts.moves import MoveLimits, MovePhase, MoveReport, StoredMap
from partitioning.ring import caps_of
from shardboard.rebalance.change import Change
from shardboard.rebalance.figures import Figures, PartitionFigures, partition_figures
from shardboard.rebalance.plan_file import Estimate, PlanMove, ShardLoad

ROWS_PER_S_ASSUMED: Final = 100_000.0
"""Rows copied per second of a move while nothing was measured: what two Redis servers do on two busy cores."""
STEPS_S: Final = 0.5
"""What fence, wipe, verify, own and switch take together, beside the copy; the follower's second is in it by half."""
MEASURED_MOVES_MAX: Final = 50
"""The newest moves speak for today's servers."""
MEASURED_ROWS_MIN: Final = 1_000
"""A smaller move is all steps and no copy: it says nothing about the rate."""
_N = TypeVar("_N", int, float)


@dataclass(frozen=True, slots=True)
class Rate:
    """Rows per second of one move, and how many moves it was taken from."""

    rows_per_s: float
    moves: int


def measured_rate(reports: Iterable[MoveReport]) -> Rate:
    """The median over the newest moves that were done by copying: a restore waits for Postgres and the log."""
    done = [
        report.rows_copied * 1000 / report.paused_ms
        for report in sorted(reports, key=lambda report: -report.changed_ms)
        if report.phase in (MovePhase.DONE, MovePhase.FORGETTING)
        and report.paused_ms
        and not report.is_restored
        and report.rows_copied >= MEASURED_ROWS_MIN
    ][:MEASURED_MOVES_MAX]
    return Rate(median(done), len(done)) if done else Rate(ROWS_PER_S_ASSUMED, 0)


def plan_moves_of(change: Change, figures: Figures, *, rate: Rate, limits: MoveLimits) -> tuple[PlanMove, ...]:
    """The moves with what each takes."""
    moves = []
    for move in change.moves:
        told = partition_figures(figures, move.source, partition=move.partition)
        moves.append(
            PlanMove(
                partition=move.partition,
                source=move.source,
                target=move.target,
                reason=move.reason,
                users=None if told is None else told.users,
                bytes=None if told is None else told.bytes,
                pause_ms=None if told is None else ceil(_pause_s(told, rate, limits=limits) * 1000),
            )
        )
    return tuple(moves)


def estimate(moves: Sequence[PlanMove], *, rate: Rate, limits: MoveLimits) -> Estimate:
    """The whole plan: so many moves at once, none faster than its own pause."""
    total, longest = _sum(move.pause_ms for move in moves), max((move.pause_ms or 0 for move in moves), default=0)
    return Estimate(
        seconds=None if total is None else round(max(total / limits.moves_at_once, longest) / 1000, 1),
        pause_ms_total=total,
        pause_ms_longest=None if total is None else longest,
        users=_sum(move.users for move in moves),
        bytes=_sum(move.bytes for move in moves),
        rows_per_s=round(rate.rows_per_s, 1),
        moves_at_once=limits.moves_at_once,
        measured_moves=rate.moves,
    )


def shard_loads(change: Change, stored: StoredMap, *, figures: Figures) -> tuple[ShardLoad, ...]:
    """Every shard that takes part before or after."""
    assert stored.map is not None, "a change is made for a map"
    before = [owner.shard for owner in stored.map.owners]
    after = list(before)
    for move in change.moves:
        after[move.partition] = move.target
    weights = {entry.shard: entry.weight for entry in stored.shards}
    caps = caps_of(len(before), change.members)
    told = {
        Partition(partition): partition_figures(figures, shard, partition=Partition(partition))
        for partition, shard in enumerate(before)
    }
    return tuple(
        ShardLoad(
            shard=shard,
            weight=change.members.get(shard, weights.get(shard, 0)),
            weight_before=weights.get(shard),
            cap=caps.get(shard, 0),
            partitions_before=before.count(shard),
            partitions_after=after.count(shard),
            users_before=_held(told, before, shard=shard, figure=lambda each: each.users),
            users_after=_held(told, after, shard=shard, figure=lambda each: each.users),
            bytes_before=_held(told, before, shard=shard, figure=lambda each: each.bytes),
            bytes_after=_held(told, after, shard=shard, figure=lambda each: each.bytes),
            records_per_s_before=_held(told, before, shard=shard, figure=lambda each: each.records_per_s),
            records_per_s_after=_held(told, after, shard=shard, figure=lambda each: each.records_per_s),
        )
        for shard in sorted({*before, *after, *change.members}, key=natural)
    )


def natural(shard: str) -> tuple[str, int, str]:
    """Sorts s2 before s10."""
    head = shard.rstrip("0123456789")
    digits = shard[len(head) :]
    return head, int(digits or 0), digits


def _pause_s(told: PartitionFigures, rate: Rate, *, limits: MoveLimits) -> float:
    copy_s = told.rows / rate.rows_per_s
    if limits.users_per_s_max is not None:
        copy_s = max(copy_s, told.users / limits.users_per_s_max)
    return STEPS_S + copy_s


def _held(
    told: Mapping[Partition, PartitionFigures | None],
    at: Sequence[ShardId],
    *,
    shard: ShardId,
    figure: Callable[[PartitionFigures], _N],
) -> _N | None:
    values = [told[Partition(partition)] for partition, owner in enumerate(at) if owner == shard]
    return _sum(None if value is None else figure(value) for value in values)


def _sum(values: Iterable[_N | None]) -> _N | None:
    """Nothing is 0; one that is not known makes the sum unknown."""
    total: _N | Literal[0] = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
