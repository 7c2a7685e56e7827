"""What shards told about themselves at one moment, as values: load, memory, who serves them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.ids import Partition, ShardId
from contracts.progress import Progress


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """One partition where it is owned."""

    users: int
    """On the board of all time."""
    rows: int = 0
    """Entries of all its keys: what a move copies. 0 when it was not asked for."""
    bytes: int = 0
    """0 when it was not asked for."""
    records_per_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ShardFigures:
    """One shard; `fault` says why it could not be asked, and then there is nothing else."""

    shard: ShardId
    fault: str = ""
    memory_bytes: int = 0
    has_worker: bool = False
    """Whether somebody holds the lease."""
    held: Mapping[Partition, Progress] = field(default_factory=dict)
    """Every partition that it has any state of."""
    partitions: Mapping[Partition, PartitionFigures] = field(default_factory=dict)
    """Those that it owns."""


Figures = Mapping[ShardId, ShardFigures]


def partition_figures(figures: Figures, shard: ShardId, *, partition: Partition) -> PartitionFigures | None:
    """What a shard told about one of its partitions; None when it could not be asked, or did not say."""
    told = figures.get(shard)
    return None if told is None or told.fault else told.partitions.get(partition)
