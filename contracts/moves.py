"""What is told about moves of partitions between shards: limits, reports, plans, and the map as it is stored with them.

Kept in Postgres (`foundation.postgres_map`); each shard's Redis keeps the newest map as JSON for starts without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

import msgspec

from contracts.ids import Epoch, Partition, ShardId
from contracts.shard_map import ShardEntry, ShardMap

MAP_CHANNEL: Final = "shardboard_map"
"""NOTIFY tells here that the map changed. Only a hint: who follows asks for the version every second anyway."""
WEIGHT_DEFAULT: Final = 100
"""Of a shard that joins: others are heavier or lighter in per cent of it."""


class MovePhase(StrEnum):
    """How far a move is."""

    INTENDED = "intended"
    WAITING = "waiting"
    """Paused, throttled, or behind other moves."""
    FENCING = "fencing"
    WIPING = "wiping"
    COPYING = "copying"
    RESTORING = "restoring"
    """The source has nothing to copy: from Postgres and the log."""
    VERIFYING = "verifying"
    OWNING = "owning"
    SWITCHING = "switching"
    FORGETTING = "forgetting"
    """Switched: the target serves it; the source's leftovers are still to be removed."""
    DONE = "done"
    ABORTED = "aborted"


OVER: Final = (MovePhase.DONE, MovePhase.ABORTED)
"""Nothing follows these."""


@dataclass(frozen=True, slots=True)
class MoveLimits:
    """What moves may take of the servers; followed by all workers, changeable at any time."""

    is_paused: bool = False
    moves_at_once: int = 2
    """Over all shards, begun and not yet switched: 1 to 64."""
    users_per_s_max: int | None = None
    """Of each move; None: as fast as it goes."""


RESTORED_FROM: Final = "from "
"""How the reason of such a move begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveReport:
    """One move as its receiving worker told it last. Nothing depends on it: only the map decides."""

    partition: Partition
    move_epoch: Epoch
    source: ShardId
    target: ShardId
    phase: MovePhase
    begun_ms: int
    changed_ms: int
    plan: int | None = None
    """Set when the plan is applied; a report without it leaves it as it is."""
    reason: str = ""
    rows_copied: int = 0
    rows_total: int = 0
    attempts: int = 0
    paused_ms: int | None = None
    """How long nobody applied the partition's log; None as long as it is not over."""

    @property
    def is_restored(self) -> bool:
        """Whether it was made from the archive or the log, and not copied from its source."""
        return self.reason.startswith(RESTORED_FROM)


@dataclass(frozen=True, slots=True)
class MoveOrder:
    """One move that a plan wants."""

    partition: Partition
    source: ShardId
    target: ShardId


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOrder:
    """All that applying a plan changes, in one transaction."""

    map_version: int
    """Of the map that was planned with: refused when the map has another one."""
    checksum: str
    content: bytes
    """The plan file, JSON."""
    moves: tuple[MoveOrder, ...]
    weights: Mapping[ShardId, int] = field(default_factory=dict)
    leaving: frozenset[ShardId] = frozenset()
    staying: frozenset[ShardId] = frozenset()
    """Shards that were leaving and no longer are."""
    joining: tuple[ShardEntry, ...] = ()
    """Shards that this plan makes known; their workers may join before or after."""
    undoes: int | None = None
    """The plan that this one takes back."""


PlanState = Literal["running", "done", "aborted", "undone"]


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan that was applied."""

    plan: int
    checksum: str
    applied_ms: int
    applied_by: str
    map_version: int
    state: PlanState
    content: bytes


@dataclass(frozen=True, slots=True)
class MapChange:
    """One row of the map's history."""

    version: int
    changed_ms: int
    changed_by: str
    change: bytes
    """JSON object; `what` names the kind of change."""


@dataclass(frozen=True, slots=True)
class StoredMap:
    """Everything that followers of the map know, at one version."""

    version: int
    map: ShardMap | None
    """None: nobody has made a map yet."""
    shards: tuple[ShardEntry, ...]
    """In the order of their names."""
    limits: MoveLimits = MoveLimits()

    def url_of(self, shard: ShardId) -> str | None:
        """Where the shard's Redis is, None for a shard that does not take part."""
        return next((entry.url for entry in self.shards if entry.shard == shard), None)

    @property
    def serving(self) -> tuple[ShardEntry, ...]:
        """Whom to ask about partitions: all but those that leave and have given everything up, which may be gone."""
        owners = () if self.map is None else self.map.owners
        wanted = {owner.shard for owner in owners} | {owner.move.target for owner in owners if owner.move is not None}
        return tuple(entry for entry in self.shards if entry.shard in wanted or not entry.is_leaving)


encode_stored_map: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(StoredMap)


def decode_stored_map(data: bytes) -> StoredMap:
    """Read what `encode_stored_map` made. Raises msgspec.MsgspecError."""
    return _decoder.decode(data)


def went_back(known: StoredMap | None, found: StoredMap) -> str | None:
    """Why `found` cannot follow `known`, None if it can: a database that was restored from a backup, or replaced, would
    give partitions to shards at epochs that others hold by now."""
    if known is None or known.map is None:
        return None
    remedy = "run `shardboard db rebuild-map`"
    if found.map is None:
        return f"Postgres has no shard map, version {known.version} is known here: {remedy}"
    if found.version < known.version:
        return f"the shard map in Postgres is at version {found.version}, {known.version} is known here: {remedy}"
    if found.map.partitions != known.map.partitions:
        return f"the shard map in Postgres has {found.map.partitions} partitions, not {known.map.partitions}: {remedy}"
    for partition, (before, after) in enumerate(zip(known.map.owners, found.map.owners, strict=True)):
        is_other = found.version == known.version and after != before
        if is_other or after.newest_epoch < before.newest_epoch or after.epoch < before.epoch:
            return f"the shard map in Postgres is another one than is known here (partition {partition}): {remedy}"
    return None
