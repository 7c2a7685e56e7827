"""Which partitions move when shards come, go or change weight: as few as the caps and the shares ask for. Pure.

The plan depends on nothing but the map, the shards and their weights; `shardboard rebalance plan` makes it, and each
move says why. A partition that is on its way counts where it is going, and stays out of the plan.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from contracts.ids import Partition, ShardId
from contracts.shard_map import ShardMap
from partitioning.ring import caps_of, check_weights, preference_lists


@dataclass(frozen=True, slots=True)
class PlannedMove:
    """One partition that shall go to another shard."""

    partition: Partition
    source: ShardId
    target: ShardId
    reason: str
    """In words, for the operator."""


def plan_moves(
    current: ShardMap, shards: Mapping[ShardId, int], *, takers: Collection[ShardId] | None = None
) -> tuple[PlannedMove, ...]:
    """The moves after which the shards, with these weights, hold everything and none is above its cap.

    1. What belongs to a shard that is not among `shards` goes to its first preferred shard below cap.
    2. What a shard has above its cap goes to a taker while one has room, else to its first preferred shard below cap.
    3. Each taker gets up to its share from shards above theirs: the partitions that prefer it most.

    Takers are the shards without any partition, unless named. Raises ValueError for no shard or a wrong weight.
    """
    check_weights(shards)
    placing = _Placing(current, shards)
    wanted = [shard for shard in sorted(shards) if not placing.count[shard]] if takers is None else sorted(takers)
    placing.empty_leaving()
    placing.obey_caps(wanted)
    placing.fill(wanted)
    return placing.moves()


def plan_even(current: ShardMap, shards: Mapping[ShardId, int]) -> tuple[PlannedMove, ...]:
    """The fewest moves after which every shard has its share, rounded down or up. Raises ValueError as plan_moves."""
    check_weights(shards)
    placing = _Placing(current, shards)
    placing.even()
    return placing.moves()


def plan_replace(current: ShardMap, old: ShardId, *, new: ShardId) -> tuple[PlannedMove, ...]:
    """Every partition of one shard goes to another, which takes its place."""
    reason = f"{new} takes the place of {old}"
    return tuple(
        PlannedMove(Partition(p), old, new, reason)
        for p, owner in enumerate(current.owners)
        if owner.move is None and owner.shard == old
    )


def share_of(partitions: int, shard: ShardId, *, weights: Mapping[ShardId, int]) -> int:
    """A shard's share of the partitions by weight, rounded to the nearest whole number, halves up."""
    total = sum(weights.values())
    return (2 * partitions * weights[shard] + total) // (2 * total)


class _Placing:
    """Where each partition is so far while a plan is made."""

    def __init__(self, current: ShardMap, weights: Mapping[ShardId, int]) -> None:
        self._partitions = current.partitions
        self._weights = weights
        self._total = sum(weights.values())
        self._before = [owner.shard for owner in current.owners]
        self._at = [owner.move.target if owner.move else owner.shard for owner in current.owners]
        self._movable = [owner.move is None for owner in current.owners]
        self._reasons: dict[Partition, str] = {}
        self._liked = preference_lists(self._partitions, tuple(sorted(weights)))
        self.count = dict.fromkeys((*self._at, *weights), 0)
        for shard in self._at:
            self.count[shard] += 1
        self.caps = caps_of(self._partitions, weights)

    def moves(self) -> tuple[PlannedMove, ...]:
        """What was placed elsewhere, by partition."""
        return tuple(
            PlannedMove(partition, self._before[partition], self._at[partition], reason)
            for partition, reason in sorted(self._reasons.items())
        )

    def empty_leaving(self) -> None:
        """Rule 1."""
        for partition in self._on(shard for shard in self.count if shard not in self._weights):
            source = self._at[partition]
            self._to_first_below_cap(partition, f"{source} gives up its partitions")

    def obey_caps(self, takers: Collection[ShardId]) -> None:
        """Rule 2. First those that prefer a taker most, while it is below its share, then up to its cap."""
        over = sorted(shard for shard in self._weights if self.count[shard] > self.caps[shard])
        if not over:
            return
        had = dict(self.count)
        room = {taker: share_of(self._partitions, taker, weights=self._weights) for taker in takers}
        for limit in (room, self.caps):
            for rank, partition, taker in self._by_rank(self._on(over), takers):
                source = self._at[partition]
                if source in over and self._is_over_cap(source) and self.count[taker] < limit[taker]:
                    why = f"{source} has {had[source]}, its cap is {self.caps[source]}"
                    self._place(partition, taker, reason=f"{why}; {taker} is its {_nth(rank)} choice")
        for partition in self._least_at_home(over):
            source = self._at[partition]
            if self._is_over_cap(source):
                self._to_first_below_cap(partition, f"{source} has {had[source]}, its cap is {self.caps[source]}")

    def fill(self, takers: Collection[ShardId]) -> None:
        """Rule 3."""
        share = {taker: share_of(self._partitions, taker, weights=self._weights) for taker in takers}
        givers = [shard for shard in sorted(self._weights) if shard not in share]
        had = dict(self.count)
        for rank, partition, taker in self._by_rank(self._on(givers), takers):
            source = self._at[partition]
            if self._is_above_share(source) and self.count[taker] < share[taker] and source not in share:
                why = f"{taker} takes its share of {share[taker]}; {source} has {had[source]}, above its own"
                self._place(partition, taker, reason=f"{why}; {taker} is its {_nth(rank)} choice")

    def even(self) -> None:
        """Give from everybody above its target to everybody below, the partitions first that prefer the receiver."""
        target = self._targets()
        had = dict(self.count)
        givers = [shard for shard in sorted(self.count) if self.count[shard] > target.get(shard, 0)]
        receivers = [shard for shard in sorted(target) if self.count[shard] < target[shard]]
        for rank, partition, taker in self._by_rank(self._on(givers), receivers):
            source = self._at[partition]
            is_due = partition not in self._reasons and self.count[source] > target.get(source, 0)
            if is_due and self.count[taker] < target[taker]:
                why = f"{source} has {had[source]} and shall have {target.get(source, 0)}, {taker} {target[taker]}"
                self._place(partition, taker, reason=f"{why}; {taker} is its {_nth(rank)} choice")

    def _targets(self) -> dict[ShardId, int]:
        """Each shard's share rounded down, and one more where that keeps most in place, until all are given out."""
        exact = {shard: self._partitions * weight for shard, weight in self._weights.items()}
        target = {shard: share // self._total for shard, share in exact.items()}
        left = self._partitions - sum(target.values())
        by_need = sorted(
            (shard for shard in exact if exact[shard] % self._total),
            key=lambda shard: (self.count[shard] <= target[shard], -(exact[shard] % self._total), shard),
        )
        for shard in by_need[:left]:
            target[shard] += 1
        return target

    def _to_first_below_cap(self, partition: Partition, why: str) -> None:
        for rank, shard in enumerate(self._liked[partition]):
            if self.count[shard] < self.caps[shard]:
                full = ", those before are at their caps" if rank else ""
                self._place(partition, shard, reason=f"{why}; {shard} is its {_nth(rank)} choice{full}")
                return

    def _place(self, partition: Partition, shard: ShardId, *, reason: str) -> None:
        self.count[self._at[partition]] -= 1
        self.count[shard] += 1
        self._at[partition] = shard
        self._reasons[partition] = reason

    def _on(self, shards: Iterable[ShardId]) -> list[Partition]:
        """The partitions that are there and may be moved."""
        wanted = frozenset(shards)
        return [Partition(p) for p, shard in enumerate(self._at) if shard in wanted and self._movable[p]]

    def _by_rank(
        self, partitions: Iterable[Partition], takers: Collection[ShardId]
    ) -> list[tuple[int, Partition, ShardId]]:
        """Every pair of a partition and a taker, those that like each other most first."""
        wanted = frozenset(takers)
        return sorted(
            (rank, partition, shard)
            for partition in partitions
            for rank, shard in enumerate(self._liked[partition])
            if shard in wanted
        )

    def _least_at_home(self, shards: Iterable[ShardId]) -> list[Partition]:
        """The partitions on these shards, first those that prefer many others to the shard they are on."""
        return sorted(self._on(shards), key=lambda p: (-self._liked[p].index(self._at[p]), p))

    def _is_over_cap(self, shard: ShardId) -> bool:
        return self.count[shard] > self.caps[shard]

    def _is_above_share(self, shard: ShardId) -> bool:
        return self.count[shard] * self._total > self._partitions * self._weights[shard]


def _nth(rank: int) -> str:
    """1st, 2nd, 3rd, 4th … of a rank from 0."""
    number = rank + 1
    ending = "th" if 11 <= number % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
