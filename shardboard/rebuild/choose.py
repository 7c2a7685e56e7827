"""Whose a partition is, by what every shard holds of it: the newest epoch wins. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from contracts.exit_codes import ExitCode
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Ownership

Finding = Literal["same", "new", "changed", "conflict", "missing", "newer_in_postgres"]


class RebuiltPartition(msgspec.Struct, frozen=True, kw_only=True):
    """One partition: what the map should say, what Postgres says, and who else holds it."""

    partition: int
    finding: Finding
    owner: str | None
    epoch: int | None
    stored_owner: str | None
    stored_epoch: int | None
    since: int | None = None
    """Since which epoch the owner has it, as far as its own state tells."""
    others: tuple[str, ...] = ()
    """Other shards that hold it, as shard@epoch:state."""


class MapReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer: docs/schemas/db-rebuild-map.json."""

    partitions: tuple[RebuiltPartition, ...]
    applied: bool
    stored_version: int = 0
    """Of the map in Postgres."""
    known_version: int = 0
    """The newest that a shard's Redis keeps."""

    @property
    def is_behind(self) -> bool:
        """Whether the shards know a newer map than Postgres: none of them follows it, even if it is right."""
        return self.known_version > self.stored_version

    @property
    def owners(self) -> dict[Partition, Ownership]:
        """The rows to write."""
        return {
            Partition(row.partition): Ownership(ShardId(row.owner), Epoch(row.epoch), Epoch(row.since))
            for row in self.changes
            if row.owner is not None and row.epoch is not None and row.since is not None
        }

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
        if not self.changes and not self.is_behind:
            return ExitCode.NOTHING_TO_DO
        return ExitCode.OK if self.applied else ExitCode.DIFFERENT


def rebuild(
    partitions: int,
    held: Mapping[Partition, Sequence[tuple[ShardId, Progress]]],
    *,
    stored: StoredMap,
    known: StoredMap | None = None,
) -> MapReport:
    """Compare what the shards hold with what Postgres has. `known`: the newest map that a shard keeps, for the epochs
    that were drawn and have reached no Redis: those of moves that had only been intended."""
    before = dict(enumerate(stored.map.owners if stored.map is not None else ()))
    drawn = dict(enumerate(known.map.owners if known is not None and known.map is not None else ()))
    rows = [
        _row(partition, held.get(partition, ()), stored=before.get(partition), known=drawn.get(partition))
        for partition in map(Partition, range(partitions))
    ]
    return MapReport(
        partitions=tuple(rows),
        applied=False,
        stored_version=stored.version,
        known_version=known.version if known is not None else 0,
    )


def _row(
    partition: Partition,
    held: Sequence[tuple[ShardId, Progress]],
    *,
    stored: Ownership | None,
    known: Ownership | None,
) -> RebuiltPartition:
    # A fenced state was given away at its epoch; what it was given to is owned at the same one, or never became owned.
    ranked = sorted(held, key=_rank, reverse=True)
    owner, epoch = _owner(ranked, known)
    return RebuiltPartition(
        partition=partition,
        finding=_finding(ranked, stored, wanted=None if owner is None or epoch is None else (owner, epoch)),
        owner=owner,
        epoch=epoch,
        since=ranked[0][1].epoch if ranked else None,
        stored_owner=stored.shard if stored else None,
        stored_epoch=stored.epoch if stored else None,
        others=tuple(f"{shard}@{progress.epoch}:{progress.state.value}" for shard, progress in ranked[1:]),
    )


def _rank(item: tuple[ShardId, Progress]) -> tuple[int, bool, bool]:
    progress = item[1]
    return (progress.epoch, progress.state is State.OWNED, not progress.fenced)


def _owner(ranked: Sequence[tuple[ShardId, Progress]], known: Ownership | None) -> tuple[ShardId | None, int | None]:
    """The best holder and the epoch to claim it at. A fence is lifted only by a claim at a newer epoch: the move that
    it belongs to is forgotten with the map, as by an abort; so is one that had only been intended."""
    if not ranked:
        return None, None
    shard, progress = ranked[0]
    drawn = known.newest_epoch if known is not None else 0
    return shard, max(progress.epoch + 1, drawn + 1) if progress.fenced or drawn > progress.epoch else progress.epoch


def _finding(
    ranked: Sequence[tuple[ShardId, Progress]], stored: Ownership | None, *, wanted: tuple[ShardId, int] | None
) -> Finding:
    if wanted is None:
        return "missing" if stored is None else "same"
    best = ranked[0][1]
    if any(other.epoch == best.epoch and _is_whole(other) for _, other in ranked[1:]):
        return "conflict"
    if stored is None:
        return "new"
    if stored.epoch > wanted[1]:
        return "newer_in_postgres"
    if (stored.shard, stored.epoch) == wanted:
        return "same"
    return "conflict" if stored.epoch == wanted[1] else "changed"


def _is_whole(progress: Progress) -> bool:
    return progress.state is State.OWNED and not progress.fenced
