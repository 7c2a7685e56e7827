"""Which shards a partition prefers (consistent hashing), and the first map, with bounded load. Pure.

Weights do not change a preference list, only shares and caps: so a change of weight moves what the share asks for.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

from uhashring import HashRing

from contracts.ids import ShardId
from contracts.shard_map import FIRST_EPOCH, Ownership, ShardMap

LOAD_FACTOR_TENTHS: Final = 11
"""No shard gets more than 1.1 times its fair share (rounded up): the ring's own spread would reach twice that."""
FIRST_VERSION: Final = 1
_LISTS_KEPT: Final = 16
"""Preference lists of the last few sets of shards: 1,024 partitions over 64 shards take 0.1 s to make, and 4 MB."""


def caps_of(partitions: int, weights: Mapping[ShardId, int]) -> dict[ShardId, int]:
    """The most partitions that each shard may have: ⌈1.1 × P × w / Σw⌉, in whole numbers."""
    total = sum(weights.values())
    return {shard: -(-LOAD_FACTOR_TENTHS * partitions * w // (10 * total)) for shard, w in weights.items()}


def preferences(partition: int, shards: Collection[ShardId]) -> tuple[ShardId, ...]:
    """The shards in the order in which the ring offers them to a partition.

    One more or one less shard leaves the others' order as it is.
    """
    return _walk(_ring(tuple(sorted(shards))), partition)


@lru_cache(maxsize=_LISTS_KEPT)
def preference_lists(partitions: int, shards: tuple[ShardId, ...]) -> tuple[tuple[ShardId, ...], ...]:
    """`preferences` of all partitions, by partition. Give the shards sorted: the answer is kept for the next time."""
    ring = _ring(shards)
    return tuple(_walk(ring, partition) for partition in range(partitions))


def static_map(partitions: int, shards: Sequence[ShardId], *, weights: Mapping[ShardId, int] | None = None) -> ShardMap:
    """Give each partition to the first shard of its preference list that is below its cap.

    Depends on nothing but its arguments; the order of `shards` does not matter. Without weights all weigh 1. Raises
    ValueError when there is no shard, one is named twice, or a weight is not a whole number ≥ 1.
    """
    named = {shard: 1 if weights is None else weights[shard] for shard in sorted(shards)}
    if len(named) != len(shards):
        raise ValueError(f"shards {list(shards)} must be at least one, each named once")
    check_weights(named)
    room = caps_of(partitions, named)
    owners: list[Ownership] = []
    for liked in preference_lists(partitions, tuple(named)):
        owner = next(shard for shard in liked if room[shard])
        room[owner] -= 1
        owners.append(Ownership(owner, FIRST_EPOCH))
    return ShardMap(FIRST_VERSION, tuple(owners))


def check_weights(weights: Mapping[ShardId, int]) -> None:
    """Raises ValueError when there is no shard or a weight is not a whole number ≥ 1."""
    if not weights:
        raise ValueError("shards must be at least one")
    if any(type(weight) is not int or weight < 1 for weight in weights.values()):
        raise ValueError(f"weights {dict(weights)} must be whole numbers ≥ 1")


def _ring(shards: tuple[ShardId, ...]) -> HashRing:
    return HashRing(nodes=list(shards))


def _walk(ring: HashRing, partition: int) -> tuple[ShardId, ...]:
    return tuple(ShardId(node["nodename"]) for node in ring.range(f"partition-{partition}"))
