"""Clusters as values: maps, shards and what shards told, for tests of what operators see and plan."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contracts.ids import Epoch, LogMs, Offset, Partition, ShardId
from contracts.moves import MoveLimits, MovePhase, MoveReport, StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from partitioning.ring import static_map
from shardboard.rebalance.figures import PartitionFigures, ShardFigures

S1, S2, S3, S4, S5 = (ShardId(f"s{number}") for number in range(1, 6))
DEPLOYMENT = "cluster/actions"
PARTITIONS = 64


def entry(shard: ShardId, weight: int = 100, *, is_leaving: bool = False) -> ShardEntry:
    return ShardEntry(shard, f"redis://{shard}:6379/0", weight, is_leaving)


def cluster(*shards: ShardId, partitions: int = PARTITIONS, joined: tuple[ShardId, ...] = ()) -> StoredMap:
    """Shards of weight 100 with the first map, and others that have only joined."""
    entries = tuple(entry(shard) for shard in sorted({*shards, *joined}))
    return StoredMap(3, replace(static_map(partitions, list(shards)), version=3), entries)


def with_entries(stored: StoredMap, *entries: ShardEntry) -> StoredMap:
    """The same with these in the place of those of their names."""
    kept = {each.shard: each for each in (*stored.shards, *entries)}
    return replace(stored, shards=tuple(kept[shard] for shard in sorted(kept)))


def with_owner(stored: StoredMap, partition: int, **fields: Any) -> StoredMap:
    """The same with one partition's ownership changed."""
    assert stored.map is not None
    owners = list(stored.map.owners)
    owners[partition] = replace(owners[partition], **fields)
    return replace(stored, map=ShardMap(stored.version, tuple(owners)))


def moving(stored: StoredMap, partition: int, *, target: ShardId) -> StoredMap:
    """The same with a move intended."""
    assert stored.map is not None
    epoch = Epoch(stored.map.owners[partition].epoch + 1)
    return with_owner(stored, partition, move=Move(epoch, target))


def owner_of(stored: StoredMap, partition: int) -> Ownership:
    assert stored.map is not None
    return stored.map.owners[partition]


def paused(stored: StoredMap, **limits: Any) -> StoredMap:
    return replace(stored, limits=MoveLimits(**{"is_paused": True, **limits}))


def progress(
    shard: str, epoch: int = 1, *, state: State = State.OWNED, fenced: bool = False, next_offset: int = 10
) -> Progress:
    return Progress(
        owner=shard, state=state, epoch=Epoch(epoch), fenced=fenced, writer="w", token="", chunks=0,
        next_offset=Offset(next_offset), log_ms=LogMs(1), last=None, points=0, counted=0,
    )  # fmt: skip


def figures(stored: StoredMap, **faults: str) -> dict[ShardId, ShardFigures]:
    """What healthy shards tell: 1,000 users in each partition, and more in later ones. `faults`: shards that do not."""
    assert stored.map is not None
    told = {}
    for each in stored.shards:
        if each.shard in faults:
            told[each.shard] = ShardFigures(each.shard, fault=faults[each.shard])
            continue
        mine = stored.map.of_shard(each.shard)
        told[each.shard] = ShardFigures(
            each.shard,
            memory_bytes=1_000_000,
            has_worker=True,
            held={p: progress(each.shard, epoch) for p, epoch in mine.items()},
            partitions={p: PartitionFigures(1_000 + p, rows=3_000, bytes=100_000, records_per_s=10.0) for p in mine},
        )
    return told


def with_rates(told: Mapping[ShardId, ShardFigures], rates: Mapping[Partition, float]) -> dict[ShardId, ShardFigures]:
    """The same, with these partitions' records per second."""
    return {
        shard: replace(
            each,
            partitions={p: replace(f, records_per_s=rates.get(p, f.records_per_s)) for p, f in each.partitions.items()},
        )
        for shard, each in told.items()
    }


def report(partition: int, phase: MovePhase, **fields: Any) -> MoveReport:
    given: dict[str, Any] = {
        "move_epoch": Epoch(2), "source": S1, "target": S4, "begun_ms": 1_000, "changed_ms": 2_000, **fields,
    }  # fmt: skip
    return MoveReport(partition=Partition(partition), phase=phase, **given)
