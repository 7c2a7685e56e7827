"""Makes the plan file of a change: the moves with what each takes, the load before and after, the seal. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from contracts.moves import MoveReport, StoredMap
from shardboard.rebalance.change import Change
from shardboard.rebalance.estimate import estimate, measured_rate, plan_moves_of, shard_loads
from shardboard.rebalance.figures import Figures
from shardboard.rebalance.plan_file import PlanFile, PlanShard, map_seal, sealed


@dataclass(frozen=True, slots=True)
class Occasion:
    """By whom, when and for which deployment a plan is made."""

    made_by: str
    made_ms: int
    deployment: str


def draft_plan(
    change: Change,
    stored: StoredMap,
    *,
    figures: Figures,
    reports: Sequence[MoveReport],
    occasion: Occasion,
    undoes: int | None = None,
) -> PlanFile:
    """The sealed plan. `reports`: of earlier moves, for the rate."""
    assert stored.map is not None, "a change is made for a map"
    rate = measured_rate(reports)
    moves = plan_moves_of(change, figures, rate=rate, limits=stored.limits)
    entries = {entry.shard: entry for entry in stored.shards}
    leaving = [entries[shard] for shard in sorted(change.leaving)]
    return sealed(
        PlanFile(
            kind=change.kind,
            change=change.words,
            made_by=occasion.made_by,
            made_ms=occasion.made_ms,
            deployment=occasion.deployment,
            partitions=stored.map.partitions,
            map_version=stored.version,
            map_seal=map_seal(stored),
            joining=tuple(PlanShard(shard=e.shard, url=e.url, weight=e.weight) for e in change.joining),
            weights={str(shard): weight for shard, weight in sorted(change.weights.items())},
            leaving=tuple(PlanShard(shard=e.shard, url=e.url, weight=e.weight) for e in leaving),
            staying=tuple(sorted(change.staying)),
            undoes=undoes,
            moves=moves,
            shards=shard_loads(change, stored, figures=figures),
            estimate=estimate(moves, rate=rate, limits=stored.limits),
        )
    )
