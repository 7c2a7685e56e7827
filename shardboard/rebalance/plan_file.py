"""The plan file: what shall move and why, sealed with a checksum, for one state of one deployment's map. Pure.

Layout: docs/schemas/rebalance-plan-file.json. `map_seal` tells whether the map is still what the plan was made for.
"""

import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from contracts.ids import Partition, ShardId
from contracts.moves import MoveOrder, PlanOrder, PlanRecord, StoredMap
from contracts.shard_map import ShardEntry

PLAN_VERSION: Final = 1
PLAN_BYTES_MAX: Final = 16 * 1024 * 1024
"""4,096 partitions with their reasons are below 2 MB: what is larger is no plan."""
PlanKind = Literal["add", "remove", "drain", "weight", "replace", "even", "advise", "undo"]


class BadPlan(Exception):
    """The file is not a plan that may be applied here and now; the message says why and what to do."""


class PlanMove(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One partition's move, with what it is estimated to take; null where the source could not be asked."""

    partition: int
    source: str
    target: str
    reason: str
    users: int | None
    bytes: int | None
    pause_ms: int | None
    """How long nobody applies the partition's log."""


class ShardLoad(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One shard before and after the plan. Users, bytes and rates are null where a shard could not be asked."""

    shard: str
    weight: int
    weight_before: int | None
    """null: it takes no part yet."""
    cap: int
    partitions_before: int
    partitions_after: int
    users_before: int | None
    users_after: int | None
    bytes_before: int | None
    bytes_after: int | None
    records_per_s_before: float | None
    records_per_s_after: float | None


class PlanShard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shard that the plan makes known to the deployment, or that leaves it."""

    shard: str
    url: str
    weight: int


class Estimate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the whole plan takes; null where a source could not be asked."""

    seconds: float | None
    pause_ms_total: int | None
    pause_ms_longest: int | None
    users: int | None
    bytes: int | None
    rows_per_s: float
    """Entries of keys copied per second of one move."""
    moves_at_once: int
    measured_moves: int
    """How many earlier moves the rate was taken from; 0: assumed."""


class PlanFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    version: Literal[1] = PLAN_VERSION
    kind: PlanKind
    change: str
    """In words, such as `add s4`."""
    made_by: str
    made_ms: int
    deployment: str
    """Kafka's cluster id and the topic."""
    partitions: int
    map_version: int
    map_seal: str
    joining: tuple[PlanShard, ...]
    weights: dict[str, int]
    """Those that change."""
    leaving: tuple[PlanShard, ...]
    """With their addresses, so that undoing the plan can bring them back."""
    staying: tuple[str, ...]
    undoes: int | None
    moves: tuple[PlanMove, ...]
    shards: tuple[ShardLoad, ...]
    estimate: Estimate
    checksum: str = ""


def sealed(plan: PlanFile) -> PlanFile:
    """The plan with the checksum of everything else in it, as who reads its file will have it (0 and 0.0 are one)."""
    read = msgspec.json.decode(msgspec.json.encode(plan), type=PlanFile)
    return msgspec.structs.replace(read, checksum=_checksum(read))


def write_plan(plan: PlanFile) -> bytes:
    """The file's bytes: JSON that people can read."""
    return msgspec.json.format(msgspec.json.encode(plan)) + b"\n"


def read_plan(data: bytes) -> PlanFile:
    """The plan, as it was made. Raises BadPlan when it is none, or was changed since."""
    if len(data) > PLAN_BYTES_MAX:
        raise BadPlan(f"is no plan: {len(data):,} bytes")
    try:
        plan = msgspec.json.decode(data, type=PlanFile)
    except msgspec.MsgspecError as error:
        raise BadPlan(f"is no plan of this version: {error}") from error
    if plan.checksum != _checksum(plan):
        raise BadPlan("was changed after it was made: its checksum does not fit. Plan anew instead of editing")
    return plan


def content_of(record: PlanRecord) -> PlanFile:
    """The plan as it was applied, from Postgres, whose jsonb keeps values and not bytes."""
    return msgspec.json.decode(record.content, type=PlanFile)


def check_fits(plan: PlanFile, stored: StoredMap, *, deployment: str) -> None:
    """Raises BadPlan when the plan is for another deployment, or the map is not what it was planned with."""
    if plan.deployment != deployment:
        raise BadPlan(f"is for another deployment: {plan.deployment}, this one is {deployment}")
    partitions = 0 if stored.map is None else stored.map.partitions
    if plan.partitions != partitions:
        raise BadPlan(f"is for {plan.partitions} partitions, this deployment has {partitions}")
    if plan.map_seal != map_seal(stored):
        raise BadPlan(
            f"is stale: the map was at version {plan.map_version} when it was made and is at {stored.version} now, "
            "and partitions or weights are not what they were. Plan again"
        )
    addresses = {entry.shard: entry.url for entry in stored.shards}
    for joining in plan.joining:
        known = addresses.get(ShardId(joining.shard), joining.url)
        if known != joining.url:
            raise BadPlan(f"names {joining.url} for shard {joining.shard}, which has joined at {known}. Plan again")


def order_of(plan: PlanFile, stored: StoredMap) -> PlanOrder:
    """What applying the plan changes in this map, which it was checked against."""
    known = {entry.shard for entry in stored.shards}
    return PlanOrder(
        map_version=stored.version,
        checksum=plan.checksum,
        content=msgspec.json.encode(plan),
        moves=tuple(
            MoveOrder(Partition(move.partition), ShardId(move.source), ShardId(move.target)) for move in plan.moves
        ),
        weights={ShardId(shard): weight for shard, weight in plan.weights.items()},
        leaving=frozenset(ShardId(shard.shard) for shard in plan.leaving),
        staying=frozenset(map(ShardId, plan.staying)),
        joining=tuple(
            ShardEntry(ShardId(shard.shard), shard.url, shard.weight)
            for shard in plan.joining
            if shard.shard not in known
        ),
        undoes=plan.undoes,
    )


def map_seal(stored: StoredMap) -> str:
    """What a plan depends on: owners, epochs, moves, and the weights of those that hold something.

    Limits and shards that only joined are not in it: they change the map's version, and no plan.
    """
    owners = () if stored.map is None else stored.map.owners
    holders = {owner.shard for owner in owners}
    seen = [
        [(o.shard, o.epoch, None if o.move is None else (o.move.epoch, o.move.target)) for o in owners],
        [(e.shard, e.weight, e.is_leaving) for e in stored.shards if e.shard in holders],
    ]
    return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:32]


def deployment_name(mark: Mapping[str, str]) -> str:
    """How a plan names its deployment, by the mark that each Redis holds."""
    return f"{mark.get('deployment', '?')}/{mark.get('topic', '?')}"


def _checksum(plan: PlanFile) -> str:
    bare = msgspec.structs.replace(plan, checksum="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()
