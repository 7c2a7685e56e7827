"""What takes a plan back: the moves that were made the other way round, weights and leavers as before. Pure."""

from dataclasses import dataclass

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import PlanRecord, StoredMap
from contracts.shard_map import ShardEntry
from partitioning.plan import PlannedMove
from shardboard.command_error import CommandError
from shardboard.rebalance.change import Change, planned_map
from shardboard.rebalance.plan_file import content_of


@dataclass(frozen=True, slots=True)
class Undo:
    """The way back, and the partitions that went on to others since and stay there."""

    change: Change
    gone_on: tuple[Partition, ...]


def plan_to_undo(plans: list[PlanRecord], number: int | None) -> PlanRecord:
    """The plan of that number, else the newest that was not taken back and takes none back. Raises CommandError."""
    undoing = {plan.plan for plan in plans if content_of(plan).undoes is not None}
    if number is not None:
        found = [plan for plan in plans if plan.plan == number]
        if not found:
            raise CommandError(ExitCode.USAGE, f"there is no plan {number}: `rebalance history` lists them")
        if found[0].state == "undone":
            raise CommandError(ExitCode.REFUSED, f"plan {number} was taken back already")
        return found[0]
    open_plans = [plan for plan in plans if plan.state != "undone" and plan.plan not in undoing]
    if not open_plans:
        raise CommandError(ExitCode.NOTHING_TO_DO, "there is no plan to take back")
    return open_plans[-1]


def undo(record: PlanRecord, stored: StoredMap) -> Undo:
    """The change back. The plan's own moves must have ended, or been aborted. Raises CommandError."""
    shard_map, plan = planned_map(stored), content_of(record)
    entries = {entry.shard: entry for entry in stored.shards}
    left = {ShardId(shard.shard): shard for shard in plan.leaving}
    moves, gone_on = [], []
    for move in plan.moves:
        owner = shard_map.owners[move.partition].shard
        if owner == move.target:
            reason = f"plan {record.plan} ({plan.change}) brought it here from {move.source}"
            moves.append(
                PlannedMove(Partition(move.partition), ShardId(move.target), ShardId(move.source), reason=reason)
            )
        elif owner != move.source:
            gone_on.append(Partition(move.partition))
    sources = {move.target for move in moves}
    lost = sorted(sources - entries.keys() - left.keys())
    if lost:
        raise CommandError(ExitCode.REFUSED, f"{', '.join(lost)} has left since: add it again, then plan the moves")
    joining = tuple(
        ShardEntry(shard, left[shard].url, left[shard].weight)
        for shard in sorted(left)
        if shard not in entries and (shard in sources or not plan.moves)
    )
    weights = {
        ShardId(load.shard): load.weight_before
        for load in plan.shards
        if load.weight_before is not None
        and load.shard in plan.weights
        and ShardId(load.shard) in entries
        and entries[ShardId(load.shard)].weight == plan.weights[load.shard]
    }
    change = Change(
        kind="undo",
        words=f"undo plan {record.plan} ({plan.change})",
        moves=tuple(moves),
        members=_members(stored, moves, joining=joining, weights=weights),
        weights=weights,
        joining=joining,
        staying=frozenset(shard for shard in left if shard in entries and entries[shard].is_leaving),
    )
    return Undo(change, tuple(gone_on))


def _members(
    stored: StoredMap, moves: list[PlannedMove], *, joining: tuple[ShardEntry, ...], weights: dict[ShardId, int]
) -> dict[ShardId, int]:
    """Who holds partitions once the moves are done."""
    assert stored.map is not None, "undo asked for the map"
    holders = [owner.shard for owner in stored.map.owners]
    for move in moves:
        holders[move.partition] = move.target
    known = {entry.shard: entry.weight for entry in (*stored.shards, *joining)}
    return {shard: weights.get(shard, known[shard]) for shard in dict.fromkeys(holders)}
