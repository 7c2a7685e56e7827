"""The shard map: which shard owns each partition, at which epoch, and which partitions are on their way to another.

Kept in Postgres, followed by workers and gateways. Epochs are drawn there before any Redis sees them.
"""

from dataclasses import dataclass
from typing import Final

from contracts.ids import Epoch, Partition, ShardId

FIRST_EPOCH: Final = Epoch(1)
"""Of every partition of a new deployment."""


@dataclass(frozen=True, slots=True)
class Move:
    """A partition's way to another shard: intended, and not switched yet."""

    epoch: Epoch
    """Drawn when the move was intended: newer than any epoch of the partition before."""
    target: ShardId


@dataclass(frozen=True, slots=True)
class Ownership:
    """One partition's owner; epochs grow with every change of owner or writer rights."""

    shard: ShardId
    epoch: Epoch
    since: Epoch = FIRST_EPOCH
    """The epoch at which the shard became the owner: an older state in its Redis is a leftover, not the partition."""
    move: Move | None = None
    forget: tuple[ShardId, ...] = ()
    """Shards whose leftovers of the partition are still to be removed."""

    @property
    def newest_epoch(self) -> Epoch:
        """The newest epoch that was ever drawn for the partition."""
        return self.epoch if self.move is None else max(self.epoch, self.move.epoch)


@dataclass(frozen=True, slots=True)
class ShardMap:
    """Owners by partition, whole: index p is partition p. Versions grow with every change."""

    version: int
    owners: tuple[Ownership, ...]

    @property
    def partitions(self) -> int:
        """P, fixed for the life of a deployment."""
        return len(self.owners)

    def of_shard(self, shard: ShardId) -> dict[Partition, Epoch]:
        """The partitions of one shard with their epochs."""
        return {Partition(p): owner.epoch for p, owner in enumerate(self.owners) if owner.shard == shard}

    def moving_to(self, shard: ShardId) -> dict[Partition, Move]:
        """The partitions on their way to one shard."""
        return {
            Partition(p): owner.move
            for p, owner in enumerate(self.owners)
            if owner.move is not None and owner.move.target == shard
        }


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """A shard that takes part in the deployment, or may."""

    shard: ShardId
    url: str
    """Of its Redis."""
    weight: int
    """Its share relative to the others', ≥ 1."""
    is_leaving: bool = False
    """Its partitions go elsewhere; it is removed when none is left."""
