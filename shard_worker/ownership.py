"""What a shard may serve by the map, and what a change of the map means for it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from contracts.ids import Epoch, Partition, ShardId
from contracts.shard_map import ShardMap


class Right(NamedTuple):
    """The shard owns a partition at `epoch`; a state in its Redis from before `since` is a leftover."""

    epoch: Epoch
    since: Epoch


@dataclass(frozen=True, slots=True)
class Change:
    """What to do when the map changed. A partition whose epoch alone changed is in both."""

    let_go: frozenset[Partition]
    """Not ours any more, or not at the epoch we claimed it at: nothing of it is applied from here on."""
    take: frozenset[Partition]
    """To be claimed."""


def rights_of(shard_map: ShardMap, shard: ShardId) -> dict[Partition, Right]:
    """The partitions of one shard."""
    return {
        Partition(number): Right(owner.epoch, owner.since)
        for number, owner in enumerate(shard_map.owners)
        if owner.shard == shard
    }


def change_of(before: Mapping[Partition, Right], after: Mapping[Partition, Right]) -> Change:
    """From one map to the next. A claim is only good for the epoch it was made at."""
    return Change(
        let_go=frozenset(partition for partition, right in before.items() if after.get(partition) != right),
        take=frozenset(partition for partition, right in after.items() if before.get(partition) != right),
    )
