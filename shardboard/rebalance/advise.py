"""What an operator should look at, by live figures: shards that are hot, uneven, idle or away; and a plan. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from contracts.ids import Partition, ShardId
from contracts.moves import StoredMap
from partitioning.plan import PlannedMove, share_of
from partitioning.ring import caps_of
from shardboard.rebalance.change import Change, even, members_of, planned_map
from shardboard.rebalance.figures import Figures

HOT_FACTOR: Final = 1.25
"""A shard that does so many times its share of the work is hot: partitions differ by less by chance."""
RECORDS_PER_S_MIN: Final = 100.0
"""Below this, over all shards, the rates of a second say nothing."""
GAIN_MIN: Final = 0.05
"""A move must make the hottest shard cooler by this part, or it is not worth its pause."""
MOVES_MAX: Final = 8
"""Of one advice: look again after it, the figures will be others."""
AdviceKind = Literal["hot", "uneven", "idle", "no_worker", "unreachable"]


class Advice(msgspec.Struct, frozen=True):
    """One thing to look at."""

    kind: AdviceKind
    shard: str
    text: str
    command: str
    """What would help; empty when that is not ours to say."""


@dataclass(frozen=True, slots=True)
class Advised:
    """All advice, and the change that the first of it asks for, if any."""

    advice: tuple[Advice, ...]
    change: Change | None


def advise(stored: StoredMap, figures: Figures) -> Advised:
    """Hot shards first: their hottest partitions to the coolest. Else, when counts are uneven, even them out. Raises
    CommandError while partitions are on their way."""
    planned_map(stored)
    advice = [*_away(stored, figures), *_idle(stored)]
    hot = _hot(stored, figures)
    if hot is not None:
        return Advised((*hot.advice, *advice), hot.change)
    levelled = even(stored)
    over = _over_share(stored)
    if over and levelled.moves:
        return Advised((*over, *advice), levelled)
    return Advised(tuple(advice), None)


def _away(stored: StoredMap, figures: Figures) -> list[Advice]:
    advice = []
    for shard in members_of(stored):
        told = figures.get(shard)
        if told is None or told.fault:
            fault = "was not asked" if told is None else told.fault
            text = f"its Redis does not answer: {fault}"
            advice.append(
                Advice("unreachable", shard, text, f"bring it back, or: shardboard rebalance plan replace {shard} NEW")
            )
        elif not told.has_worker:
            text = "no worker serves it: its partitions are not counted on"
            advice.append(Advice("no_worker", shard, text, f"shardboard worker --shard {shard}"))
    return advice


def _idle(stored: StoredMap) -> list[Advice]:
    members = members_of(stored)
    return [
        Advice("idle", e.shard, "has joined and holds nothing", f"shardboard rebalance plan add {e.shard} --out PLAN")
        for e in stored.shards
        if e.shard not in members and not e.is_leaving
    ]


def _over_share(stored: StoredMap) -> list[Advice]:
    """Shards above their caps, as aborted plans and changed weights leave them."""
    assert stored.map is not None, "planned_map was asked"
    members, partitions = members_of(stored), stored.map.partitions
    caps, advice = caps_of(partitions, members), []
    for shard in sorted(members):
        held = len(stored.map.of_shard(shard))
        if held > caps[shard]:
            share = share_of(partitions, shard, weights=members)
            text = f"holds {held} partitions, its share is {share}, its cap {caps[shard]}"
            advice.append(Advice("uneven", shard, text, "shardboard rebalance plan even --out PLAN"))
    return advice


def _hot(stored: StoredMap, figures: Figures) -> Advised | None:
    """Moves of the hottest partitions, as long as each makes the hottest shard cooler; None when no shard is hot."""
    assert stored.map is not None, "planned_map was asked"
    members = members_of(stored)
    if any(shard not in figures or figures[shard].fault for shard in members):
        return None  # whoever is not heard of may do all the work
    rates = _rates(figures)
    at = [owner.shard for owner in stored.map.owners]
    heat = _Heat(at, rates, members=members)
    hottest = heat.hottest()
    if heat.total < RECORDS_PER_S_MIN or heat.of(hottest) <= HOT_FACTOR:
        return None
    text = f"does {heat.of(hottest):.2f} times its share of {heat.total:,.0f} records/s"
    moves = heat.cool(caps_of(len(at), members))
    command = "shardboard rebalance advise --out PLAN" if moves else ""
    note = "" if moves else "; no single partition is small enough to move: one user or partition makes the load"
    change = Change(kind="advise", words=f"advise: cool {hottest}", moves=tuple(moves), members=members)
    return Advised((Advice("hot", hottest, text + note, command),), change if moves else None)


def _rates(figures: Figures) -> dict[Partition, float]:
    return {partition: each.records_per_s for told in figures.values() for partition, each in told.partitions.items()}


class _Heat:
    """How much of its share of the work each shard does, while moves are tried."""

    def __init__(
        self, at: Sequence[ShardId], rates: Mapping[Partition, float], *, members: Mapping[ShardId, int]
    ) -> None:
        self._at = list(at)
        self._rates = rates
        self._members = members
        self._weights = sum(members.values())
        self.total = sum(rates.get(Partition(p), 0.0) for p in range(len(at)))
        self._load = dict.fromkeys(members, 0.0)
        for partition, shard in enumerate(at):
            if shard in self._load:
                self._load[shard] += rates.get(Partition(partition), 0.0)

    def of(self, shard: ShardId, load: float | None = None) -> float:
        """Times its share."""
        share = self.total * self._members[shard] / self._weights
        return (self._load[shard] if load is None else load) / share if share else 0.0

    def hottest(self) -> ShardId:
        """The one that is most above its share."""
        return max(sorted(self._load), key=self.of)

    def cool(self, caps: Mapping[ShardId, int]) -> list[PlannedMove]:
        """Move after move, the one that leaves the warmer of both shards coolest. A shard that is at its cap gives its
        coolest partition in exchange."""
        moves: list[PlannedMove] = []
        while len(moves) < MOVES_MAX and self.of(source := self.hottest()) > HOT_FACTOR:
            moved = {move.partition for move in moves}
            best = min(self._tries(source, caps, moved=moved), key=lambda tried: tried[:3], default=None)
            if best is None or best[0] > self.of(source) * (1 - GAIN_MIN):
                break
            _, partition, target, back = best
            given = self._move(partition, target, why="")
            moves.append(given)
            if back is not None:
                moves.append(self._move(back, source, why=f", in exchange for partition {partition}"))
        return sorted(moves, key=lambda move: move.partition)

    def _tries(
        self, source: ShardId, caps: Mapping[ShardId, int], *, moved: Collection[Partition]
    ) -> Iterator[tuple[float, Partition, ShardId, Partition | None]]:
        """How warm the warmer of both would be; the partition, its target, and what comes back for it."""
        mine = [p for p in self._on(source) if p not in moved and self._rate(p) > 0]
        for target in sorted(self._load):
            if target == source:
                continue
            theirs = self._on(target)
            back = None
            if len(theirs) >= caps[target]:
                back = min((p for p in theirs if p not in moved), key=lambda p: (self._rate(p), p), default=None)
                if back is None:
                    continue
            for partition in mine:
                net = self._rate(partition) - (0.0 if back is None else self._rate(back))
                warmer = max(self.of(source, self._load[source] - net), self.of(target, self._load[target] + net))
                yield warmer, partition, target, back

    def _on(self, shard: ShardId) -> list[Partition]:
        return [Partition(number) for number, owner in enumerate(self._at) if owner == shard]

    def _rate(self, partition: Partition) -> float:
        return self._rates.get(partition, 0.0)

    def _move(self, partition: Partition, target: ShardId, *, why: str) -> PlannedMove:
        source, rate = self._at[partition], self._rate(partition)
        reason = (
            f"{source} does {self.of(source):.2f} times its share, {target} {self.of(target):.2f}; "
            f"this partition is {rate:,.0f} of {self._load[source]:,.0f} records/s{why}"
        )
        self._load[source] -= rate
        self._load[target] += rate
        self._at[partition] = target
        return PlannedMove(partition, source, target, reason)
