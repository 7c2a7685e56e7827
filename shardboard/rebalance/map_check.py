"""Whether the shards hold what the map says: one owner of each partition, at the map's epoch, nobody else. Pure."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Ownership
from shardboard.rebalance.figures import Figures

What = Literal[
    "no_map",
    "other_partition_count",
    "owner_unreachable",
    "unreachable",
    "owner_unknown",
    "not_owned",
    "other_epoch",
    "fenced",
    "two_owners",
    "unlisted_leftover",
]
_UNKNOWN: frozenset[What] = frozenset({"owner_unreachable", "unreachable"})


class MapFinding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    partition: int | None
    shard: str | None
    what: What
    detail: str


class MapCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: docs/schemas/rebalance-verify.json."""

    map_version: int
    partitions: int
    moving: int
    leftovers: int
    """Listed in the map, so that somebody removes them."""
    findings: tuple[MapFinding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Different beats what could not be told."""
        if any(finding.what not in _UNKNOWN for finding in self.findings):
            return ExitCode.DIFFERENT
        return ExitCode.UNKNOWN if self.findings else ExitCode.OK


def check_map(stored: StoredMap, figures: Figures, *, topic_partitions: int | None) -> MapCheck:
    """Compare the map with every shard's state and with Kafka's number of partitions (None: could not be asked)."""
    owners = () if stored.map is None else stored.map.owners
    findings = list(_whole_findings(stored, figures, topic_partitions=topic_partitions))
    for number, owner in enumerate(owners):
        findings += _findings(Partition(number), owner, figures=figures)
    return MapCheck(
        map_version=stored.version,
        partitions=len(owners),
        moving=sum(owner.move is not None for owner in owners),
        leftovers=sum(len(owner.forget) for owner in owners),
        findings=tuple(findings),
    )


def both(first: MapCheck, second: MapCheck) -> MapCheck:
    """The second look with what both found: a partition that was just being switched is no finding."""
    seen = {(finding.partition, finding.shard, finding.what) for finding in first.findings}
    kept = tuple(f for f in second.findings if (f.partition, f.shard, f.what) in seen)
    return msgspec.structs.replace(second, findings=kept)


def _whole_findings(stored: StoredMap, figures: Figures, *, topic_partitions: int | None) -> Iterator[MapFinding]:
    if stored.map is None:
        yield MapFinding(None, None, "no_map", "no worker has made a map yet")
        return
    if topic_partitions is not None and topic_partitions != stored.map.partitions:
        detail = f"Kafka's topic has {topic_partitions} partitions, the map {stored.map.partitions}"
        yield MapFinding(None, None, "other_partition_count", detail)
    for shard, told in sorted(figures.items()):
        if told.fault:
            yield MapFinding(None, shard, "unreachable", f"what else it holds is not known: {told.fault}")


def _findings(partition: Partition, owner: Ownership, *, figures: Figures) -> Iterator[MapFinding]:
    at_owner = figures.get(owner.shard)
    if at_owner is None:
        yield MapFinding(partition, owner.shard, "owner_unknown", "its owner takes no part in the deployment")
    elif at_owner.fault:
        yield MapFinding(partition, owner.shard, "owner_unreachable", at_owner.fault)
    else:
        yield from _owner_findings(partition, owner, progress=at_owner.held.get(partition))
    for shard, told in sorted(figures.items()):
        progress = told.held.get(partition)
        if shard != owner.shard and progress is not None:
            yield from _other_findings(partition, owner, shard=shard, progress=progress)


def _owner_findings(partition: Partition, owner: Ownership, *, progress: Progress | None) -> Iterator[MapFinding]:
    if progress is None or progress.state is not State.OWNED:
        state = "nothing" if progress is None else progress.state.value
        yield MapFinding(partition, owner.shard, "not_owned", f"its owner has {state} of it")
        return
    if progress.fenced and owner.move is None:
        yield MapFinding(partition, owner.shard, "fenced", f"fenced at epoch {progress.epoch}, and no move is intended")
    expected = {owner.epoch} if owner.move is None else {owner.epoch, owner.move.epoch}
    if progress.epoch not in expected:
        detail = f"its owner is at epoch {progress.epoch}, the map at {owner.epoch}"
        yield MapFinding(partition, owner.shard, "other_epoch", detail)


def _other_findings(
    partition: Partition, owner: Ownership, *, shard: ShardId, progress: Progress
) -> Iterator[MapFinding]:
    """A target may hold what it receives, and leftovers that are listed are being removed."""
    if shard in owner.forget or (owner.move is not None and owner.move.target == shard):
        return
    is_serving = progress.state is State.OWNED and not progress.fenced and progress.epoch >= owner.epoch
    what: What = "two_owners" if is_serving else "unlisted_leftover"
    fence = ", fenced" if progress.fenced else ""
    detail = f"{progress.state.value} at epoch {progress.epoch}{fence}; its owner is {owner.shard} at {owner.epoch}"
    yield MapFinding(partition, shard, what, detail)
