"""Whose a partition is, by what every shard holds of it: the newest epoch wins. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.progress import Progress, State

Finding = Literal["same", "new", "changed", "conflict", "missing", "newer_in_postgres"]


class RebuiltPartition(msgspec.Struct, frozen=True, kw_only=True):
    """One partition: what the map should say, what Postgres says, and who else holds it."""

    partition: int
    finding: Finding
    owner: str | None
    epoch: int | None
    stored_owner: str | None
    stored_epoch: int | None
    others: tuple[str, ...] = ()
    """Other shards that hold it, as shard@epoch:state."""


class MapReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer: docs/schemas/db-rebuild-map.json."""

    partitions: tuple[RebuiltPartition, ...]
    applied: bool

    @property
    def changes(self) -> tuple[RebuiltPartition, ...]:
        """The rows to write."""
        return tuple(row for row in self.partitions if row.finding in ("new", "changed"))

    @property
    def faults(self) -> tuple[RebuiltPartition, ...]:
        """What somebody must look at first."""
        return tuple(row for row in self.partitions if row.finding in ("conflict", "missing", "newer_in_postgres"))

    @property
    def exit_code(self) -> ExitCode:
        """Faults first; then whether there was, or is, anything to write."""
        if self.faults:
            return ExitCode.REFUSED
        if not self.changes:
            return ExitCode.NOTHING_TO_DO
        return ExitCode.OK if self.applied else ExitCode.DIFFERENT


def rebuild(
    partitions: int,
    held: Mapping[Partition, Sequence[tuple[ShardId, Progress]]],
    *,
    stored: Mapping[Partition, tuple[ShardId, int]],
) -> MapReport:
    """Compare what the shards hold with what Postgres has."""
    rows = [
        _row(partition, held.get(partition, ()), stored=stored.get(partition))
        for partition in map(Partition, range(partitions))
    ]
    return MapReport(partitions=tuple(rows), applied=False)


def _row(
    partition: Partition, held: Sequence[tuple[ShardId, Progress]], *, stored: tuple[ShardId, int] | None
) -> RebuiltPartition:
    # A fenced state was given away at its epoch; what it was given to is owned at the same one, or never became owned.
    ranked = sorted(held, key=_rank, reverse=True)
    owner, epoch = _owner(ranked)
    return RebuiltPartition(
        partition=partition,
        finding=_finding(ranked, stored),
        owner=owner,
        epoch=epoch,
        stored_owner=stored[0] if stored else None,
        stored_epoch=stored[1] if stored else None,
        others=tuple(f"{shard}@{progress.epoch}:{progress.state.value}" for shard, progress in ranked[1:]),
    )


def _rank(item: tuple[ShardId, Progress]) -> tuple[int, bool, bool]:
    progress = item[1]
    return (progress.epoch, progress.state is State.OWNED, not progress.fenced)


def _owner(ranked: Sequence[tuple[ShardId, Progress]]) -> tuple[ShardId | None, int | None]:
    """The best holder and the epoch to claim it at. A fence is lifted only by a claim at a newer epoch: the move that
    it belongs to is forgotten with the map, as by an abort."""
    if not ranked:
        return None, None
    shard, progress = ranked[0]
    return shard, progress.epoch + (1 if progress.fenced else 0)


def _finding(ranked: Sequence[tuple[ShardId, Progress]], stored: tuple[ShardId, int] | None) -> Finding:
    owner, epoch = _owner(ranked)
    if owner is None or epoch is None:
        return "missing" if stored is None else "same"
    best = ranked[0][1]
    if any(other.epoch == best.epoch and _is_whole(other) for _, other in ranked[1:]):
        return "conflict"
    if stored is None:
        return "new"
    if stored[1] > epoch:
        return "newer_in_postgres"
    if stored == (owner, epoch):
        return "same"
    return "conflict" if stored[1] == epoch else "changed"


def _is_whole(progress: Progress) -> bool:
    return progress.state is State.OWNED and not progress.fenced
