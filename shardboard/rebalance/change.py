"""What an operator may ask of a cluster, and the moves that it takes; what must not be asked is refused. Pure.

A shard takes part when it holds partitions, or they are on their way to it, and it is not leaving. One that has only
joined waits, and gets partitions only by a plan that names it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import WEIGHT_DEFAULT, StoredMap
from contracts.shard_map import ShardEntry, ShardMap
from partitioning.plan import PlannedMove, plan_even, plan_moves, plan_replace
from shardboard.command_error import CommandError
from shardboard.rebalance.plan_file import PlanKind

WEIGHT_MAX: Final = 1_000_000
"""A thousand times the weight of a shard that is a tenth of the usual one: beyond it somebody mistyped."""
SHOWN_MAX: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a plan would do."""

    kind: PlanKind
    words: str
    """As it was asked for, such as `add s4`."""
    moves: tuple[PlannedMove, ...]
    members: Mapping[ShardId, int]
    """Who takes part afterwards, with their weights."""
    weights: Mapping[ShardId, int] = field(default_factory=dict)
    """Those that change."""
    joining: tuple[ShardEntry, ...] = ()
    leaving: frozenset[ShardId] = frozenset()
    staying: frozenset[ShardId] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether the cluster is so already."""
        return not (self.moves or self.weights or self.joining or self.leaving or self.staying)


@dataclass(frozen=True, slots=True)
class NewShard:
    """A shard that shall take part. Without an address its worker must have joined."""

    shard: ShardId
    url: str | None = None
    weight: int | None = None
    """None: what it joined with, else the usual one."""


def add(stored: StoredMap, new: Sequence[NewShard]) -> Change:
    """New shards take their shares. Raises CommandError."""
    shard_map, members = planned_map(stored), members_of(stored)
    refuse_twice([each.shard for each in new])
    taking_part = sorted({each.shard for each in new} & members.keys())
    if taking_part:
        raise _refused(f"{_names(taking_part)} takes part already: give the new shard another name")
    entries = {each.shard: _entry(stored, each) for each in new}
    weights = {shard: entry.weight for shard, entry in entries.items()}
    wanted = {**members, **weights}
    known = {entry.shard: entry for entry in stored.shards}
    return Change(
        kind="add",
        words=f"add {_names(list(entries))}",
        moves=plan_moves(shard_map, wanted, takers=list(entries)),
        members=wanted,
        weights={shard: w for shard, w in weights.items() if shard in known and known[shard].weight != w},
        joining=tuple(entry for shard, entry in entries.items() if shard not in known),
        staying=frozenset(shard for shard in entries if shard in known and known[shard].is_leaving),
    )


def remove(stored: StoredMap, shards: Sequence[ShardId], *, is_for_good: bool = True) -> Change:
    """The shards give up their partitions and, for good, leave the deployment. Raises CommandError."""
    shard_map, members = planned_map(stored), members_of(stored)
    refuse_twice(shards)
    refuse_unknown(stored, shards)
    wanted = {shard: weight for shard, weight in members.items() if shard not in shards}
    if not wanted:
        raise _refused(f"without {_names(shards)} no shard is left that takes part: add another one first")
    already = {entry.shard for entry in stored.shards if entry.is_leaving}
    kind: PlanKind = "remove" if is_for_good else "drain"
    return Change(
        kind=kind,
        words=f"{kind} {_names(shards)}",
        moves=plan_moves(shard_map, wanted, takers=[]),
        members=wanted,
        leaving=frozenset(shards) - already if is_for_good else frozenset(),
    )


def weigh(stored: StoredMap, weights: Mapping[ShardId, int]) -> Change:
    """Shards get other weights: one that becomes heavier takes its share, the others obey the caps. Raises
    CommandError."""
    shard_map, members = planned_map(stored), members_of(stored)
    refuse_unknown(stored, list(weights))
    outside = sorted(weights.keys() - members.keys())
    if outside:
        raise _refused(f"{_names(outside)} holds no partitions: `rebalance plan add` gives it its share")
    for shard, weight in weights.items():
        check_weight(shard, weight)
    changed = {shard: weight for shard, weight in weights.items() if members[shard] != weight}
    wanted = {**members, **changed}
    heavier = [shard for shard, weight in changed.items() if weight > members[shard]]
    return Change(
        kind="weight",
        words="weight " + " ".join(f"{shard}={weight}" for shard, weight in sorted(weights.items())),
        moves=plan_moves(shard_map, wanted, takers=heavier) if changed else (),
        members=wanted,
        weights=changed,
    )


def replace(stored: StoredMap, old: ShardId, *, new: NewShard) -> Change:
    """A new shard takes all that an old one has, and its weight; the old one leaves. Raises CommandError."""
    shard_map, members = planned_map(stored), members_of(stored)
    refuse_unknown(stored, [old])
    if old == new.shard:
        raise _refused(f"{old} cannot replace itself: give the new shard another name")
    if new.shard in members:
        raise _refused(f"{new.shard} takes part already, with partitions of its own: replace {old} by a new shard")
    weight = next(entry.weight for entry in stored.shards if entry.shard == old)
    entry = _entry(stored, NewShard(new.shard, new.url, new.weight or weight))
    known = {each.shard: each for each in stored.shards}
    moves = plan_replace(shard_map, old, new=new.shard)
    if not moves:
        raise _refused(f"{old} holds no partitions: `rebalance plan remove {old}` lets it go")
    wanted = {shard: w for shard, w in members.items() if shard != old} | {entry.shard: entry.weight}
    joined = known.get(entry.shard)
    return Change(
        kind="replace",
        words=f"replace {old} {new.shard}",
        moves=moves,
        members=wanted,
        weights={entry.shard: entry.weight} if joined is not None and joined.weight != entry.weight else {},
        joining=() if joined is not None else (entry,),
        leaving=frozenset() if known[old].is_leaving else frozenset({old}),
        staying=frozenset({entry.shard}) if joined is not None and joined.is_leaving else frozenset(),
    )


def even(stored: StoredMap) -> Change:
    """Every shard that takes part gets its share exactly. Raises CommandError."""
    shard_map, members = planned_map(stored), members_of(stored)
    return Change(kind="even", words="even", moves=plan_even(shard_map, members), members=members)


def planned_map(stored: StoredMap) -> ShardMap:
    """The map, when one may plan with it: there is one, and nothing is on its way. Raises CommandError."""
    if stored.map is None:
        raise _refused("there is no shard map yet: the first worker that starts with Postgres makes it")
    moving = [Partition(p) for p, owner in enumerate(stored.map.owners) if owner.move is not None]
    if moving:
        raise _refused(
            f"{len(moving)} partitions are on their way ({_numbers(moving)}): wait for them with `rebalance wait`, or "
            "take them back with `rebalance abort`"
        )
    return stored.map


def members_of(stored: StoredMap) -> dict[ShardId, int]:
    """Who takes part, with weights."""
    owners = () if stored.map is None else stored.map.owners
    holders = {owner.shard for owner in owners} | {owner.move.target for owner in owners if owner.move is not None}
    return {entry.shard: entry.weight for entry in stored.shards if entry.shard in holders and not entry.is_leaving}


def check_weight(shard: str, weight: int) -> None:
    """Raises CommandError (usage)."""
    if not 1 <= weight <= WEIGHT_MAX:
        raise CommandError(
            ExitCode.USAGE,
            f"weight {weight} of {shard}: must be from 1 to {WEIGHT_MAX:,}, {WEIGHT_DEFAULT} is usual. "
            "`rebalance plan drain` empties a shard",
        )


def refuse_unknown(stored: StoredMap, shards: Collection[ShardId]) -> None:
    """Raises CommandError (usage) that names those that are known."""
    known = [entry.shard for entry in stored.shards]
    unknown = sorted(set(shards) - set(known))
    if unknown:
        raise CommandError(ExitCode.USAGE, f"{_names(unknown)}: no such shard, there are {_names(known)}")


def refuse_twice(shards: Sequence[ShardId]) -> None:
    """Raises CommandError (usage) when a shard is named twice."""
    twice = sorted({shard for shard in shards if shards.count(shard) > 1})
    if twice:
        raise CommandError(ExitCode.USAGE, f"{_names(twice)} is named twice")


def _entry(stored: StoredMap, new: NewShard) -> ShardEntry:
    """As it will stand in the map. Raises CommandError."""
    if new.weight is not None:
        check_weight(new.shard, new.weight)
    known = next((entry for entry in stored.shards if entry.shard == new.shard), None)
    if known is not None:
        if new.url is not None and new.url != known.url:
            raise _refused(f"{new.shard} has joined at {known.url}, not at {new.url}: leave --redis out, or rename it")
        return ShardEntry(known.shard, known.url, new.weight or known.weight)
    if new.url is None:
        raise _refused(
            f"no worker of {new.shard} has joined: start one (`shardboard worker --shard {new.shard} --redis …`), or "
            "name its Redis with --redis"
        )
    owner = next((entry.shard for entry in stored.shards if entry.url == new.url), None)
    if owner is not None:
        raise _refused(f"the Redis at {new.url} is that of {owner}: each shard has one of its own")
    return ShardEntry(new.shard, new.url, new.weight or WEIGHT_DEFAULT)


def _refused(message: str) -> CommandError:
    return CommandError(ExitCode.REFUSED, message)


def _names(shards: Collection[str]) -> str:
    return ", ".join(shards) if shards else "none"


def _numbers(partitions: Sequence[Partition]) -> str:
    rest = len(partitions) - SHOWN_MAX
    return ", ".join(map(str, partitions[:SHOWN_MAX])) + (f" and {rest} more" if rest > 0 else "")
