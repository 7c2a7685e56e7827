"""Counts what the planner moves: every number of shards from 1 to 64, then years of random changes of a cluster.

`python -m tests.support.plan_figures` prints the table of docs/rebalancing.md.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contracts.ids import Epoch, ShardId
from contracts.shard_map import Ownership, ShardMap
from partitioning.plan import PlannedMove, plan_moves
from partitioning.ring import caps_of, static_map

PARTITIONS = (64, 256, 1024)
SHARDS_MAX = 64
CHANGES = 200
"""Of the random sequence at each number of partitions."""
SEQUENCE_SHARDS_MAX = 24
WEIGHTS = (50, 100, 100, 100, 200, 400)
_SHARDS = [ShardId(f"s{number}") for number in range(1, SHARDS_MAX + 2)]
Weights = Mapping[ShardId, int]


@dataclass(slots=True)
class Figures:
    """Of many plans of one kind."""

    kind: str
    partitions: int
    plans: int = 0
    moved: int = 0
    minimum: int = 0
    worst: float = 0.0
    """The largest (moved − 1) / minimum, over the plans that had to move anything."""
    bystanders: int = 0
    """Moves between two shards of which neither came, left nor changed its weight."""
    forced: int = 0
    """Of those, what stood above a cap."""
    above_cap: int = 0
    """Shards that were above their caps afterwards."""

    def plan(self, before: ShardMap, weights: Weights, *, touched: ShardId, is_taker: bool) -> ShardMap:
        """Count the plan after one shard came, left or changed its weight; the map after it."""
        moves = plan_moves(before, weights, takers=[touched] if is_taker else [])
        over, held = _over_caps(before, weights), _held(before, touched)
        lacking = over if touched in weights else held
        if is_taker:
            lacking = max(over, before.partitions * weights[touched] // sum(weights.values()) - held)
        between = sum(touched not in (move.source, move.target) for move in moves)
        self.plans += 1
        self.moved += len(moves)
        self.minimum += lacking
        self.worst = max(self.worst, (len(moves) - 1) / lacking if lacking else 0.0)
        self.bystanders += between
        self.forced += min(between, over)
        after = _after(before, moves)
        self.above_cap += sum(_held(after, shard) > cap for shard, cap in caps_of(after.partitions, weights).items())
        assert lacking or len(moves) <= 1, "moves although nothing had to"
        return after

    @property
    def row(self) -> str:
        """As a line of the table."""
        figures = (self.plans, self.moved, self.minimum)
        cells = [str(self.partitions), self.kind, *(f"{figure:,}" for figure in figures), f"{self.worst:.2f}"]
        return f"| {' | '.join([*cells, str(self.above_cap), str(self.bystanders), str(self.forced)])} |"


HEAD = """\
| P | change | plans | moved | fewest possible | (moved − 1) / fewest, worst | above cap | of bystanders | forced |
|---|---|---|---|---|---|---|---|---|"""


def all_figures() -> Iterator[Figures]:
    """Every kind at every number of partitions."""
    for partitions in PARTITIONS:
        yield from one_by_one(partitions)
        yield from sequence(partitions, seed=partitions)


def table() -> str:
    """As docs/rebalancing.md shows it."""
    return "\n".join([HEAD, *(figures.row for figures in all_figures())])


def one_by_one(partitions: int) -> tuple[Figures, Figures]:
    """For each S from 1 to 64: the first map of S shards, one more shard, and from S + 1 the removal of one."""
    add = Figures("one more shard, S = 1 … 64", partitions)
    remove = Figures("one shard less, S = 2 … 65", partitions)
    for count in range(1, SHARDS_MAX + 1):
        few, many = dict.fromkeys(_SHARDS[:count], 100), dict.fromkeys(_SHARDS[: count + 1], 100)
        first = static_map(partitions, list(few))
        new = _SHARDS[count]
        grown = add.plan(first, many, touched=new, is_taker=True)
        remove.plan(grown, few, touched=new, is_taker=False)
    return add, remove


def sequence(partitions: int, *, seed: int) -> tuple[Figures, Figures, Figures]:
    """One cluster through many random changes: shards of several weights come and go, weights change."""
    rng = random.Random(seed)
    add, remove, weigh = (
        Figures(f"random sequence: {kind}", partitions) for kind in ("add", "remove", "weight up or down")
    )
    weights = dict.fromkeys(_SHARDS[:3], 100)
    shard_map = static_map(partitions, list(weights))
    for _ in range(CHANGES):
        spare = [shard for shard in _SHARDS[:SEQUENCE_SHARDS_MAX] if shard not in weights]
        kind = rng.choice([add, remove, weigh])
        if kind is add and spare:
            touched = rng.choice(spare)
            weights[touched], is_taker = rng.choice(WEIGHTS), True
        elif kind is remove and len(weights) > 2:
            touched = rng.choice(sorted(weights))
            del weights[touched]
            is_taker = False
        else:
            kind, touched = weigh, rng.choice(sorted(weights))
            before, weights[touched] = weights[touched], rng.choice(WEIGHTS)
            is_taker = weights[touched] > before
        shard_map = kind.plan(shard_map, weights, touched=touched, is_taker=is_taker)
    return add, remove, weigh


def _held(shard_map: ShardMap, shard: ShardId) -> int:
    return sum(owner.shard == shard for owner in shard_map.owners)


def _over_caps(shard_map: ShardMap, weights: Weights) -> int:
    caps, held = caps_of(shard_map.partitions, weights), Counter(owner.shard for owner in shard_map.owners)
    return sum(max(0, held[shard] - cap) for shard, cap in caps.items())


def _after(shard_map: ShardMap, moves: tuple[PlannedMove, ...]) -> ShardMap:
    owners = list(shard_map.owners)
    for move in moves:
        owners[move.partition] = Ownership(move.target, Epoch(owners[move.partition].epoch + 1))
    return ShardMap(shard_map.version + 1, tuple(owners))


if __name__ == "__main__":
    print(table())  # noqa: T201
