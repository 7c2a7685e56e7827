"""The shard map: which shard owns each partition, at which epoch."""

from dataclasses import dataclass

from contracts.ids import Epoch, Partition, ShardId


@dataclass(frozen=True, slots=True)
class Ownership:
    """One partition's owner; epochs grow with every change of owner or writer rights."""

    shard: ShardId
    epoch: Epoch


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
