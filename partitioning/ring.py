"""Which shard gets which partition when there is no map yet: consistent hashing with bounded load. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from uhashring import HashRing

from contracts.ids import ShardId
from contracts.shard_map import FIRST_EPOCH, Ownership, ShardMap

LOAD_FACTOR: Final = 1.1
"""No shard gets more than this times its fair share (rounded up): the ring's own spread would reach twice that."""
FIRST_VERSION: Final = 1


def caps_of(partitions: int, weights: Mapping[ShardId, int]) -> dict[ShardId, int]:
    """The most partitions that each shard may have: ⌈1.1 × P × w / Σw⌉."""
    total = sum(weights.values())
    return {shard: math.ceil(LOAD_FACTOR * partitions * weight / total) for shard, weight in weights.items()}


def preferences(partition: int, weights: Mapping[ShardId, int]) -> list[ShardId]:
    """The shards in the order in which the ring offers them to a partition."""
    return list(_preferences(_ring(weights), partition))


def static_map(partitions: int, shards: Sequence[ShardId], *, weights: Mapping[ShardId, int] | None = None) -> ShardMap:
    """Give each partition to the first shard of its preference list that is below its cap.

    Depends on nothing but its arguments; the order of `shards` does not matter. Without weights all weigh 1. Raises
    ValueError when there is no shard, one is named twice, or a weight is not a whole number ≥ 1.
    """
    named = {shard: 1 if weights is None else weights[shard] for shard in sorted(shards)}
    if not named or len(named) != len(shards):
        raise ValueError(f"shards {list(shards)} must be at least one, each named once")
    if any(type(weight) is not int or weight < 1 for weight in named.values()):
        raise ValueError(f"weights {named} must be whole numbers ≥ 1")
    ring, room = _ring(named), caps_of(partitions, named)
    owners: list[Ownership] = []
    for partition in range(partitions):
        owner = next(shard for shard in _preferences(ring, partition) if room[shard])
        room[owner] -= 1
        owners.append(Ownership(owner, FIRST_EPOCH))
    return ShardMap(FIRST_VERSION, tuple(owners))


def _ring(weights: Mapping[ShardId, int]) -> HashRing:
    return HashRing(nodes={shard: {"weight": weights[shard]} for shard in sorted(weights)})


def _preferences(ring: HashRing, partition: int) -> Iterator[ShardId]:
    for node in ring.range(f"partition-{partition}"):
        yield ShardId(node["nodename"])
