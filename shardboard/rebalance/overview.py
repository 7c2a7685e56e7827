"""The state of the cluster as `rebalance status` tells it: docs/schemas/rebalance-status.json. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import MovePhase, MoveReport, PlanRecord, StoredMap
from contracts.shard_map import ShardEntry, ShardMap
from partitioning.ring import caps_of
from shardboard.rebalance.change import members_of
from shardboard.rebalance.estimate import natural
from shardboard.rebalance.figures import Figures, ShardFigures
from shardboard.rebalance.plan_file import content_of

ShardState = Literal["serving", "idle", "leaving", "no-worker", "unreachable"]


class ShardRow(msgspec.Struct, frozen=True, kw_only=True):
    """One shard. Figures are null where its Redis, or Kafka, does not answer."""

    shard: str
    state: ShardState
    weight: int
    partitions: int
    share: float
    """What its weight asks for; 0 for one that takes no part."""
    cap: int
    arriving: int
    departing: int
    users: int | None
    memory_bytes: int | None
    lag: int | None
    records_per_s: float | None
    fault: str


class MoveRow(msgspec.Struct, frozen=True, kw_only=True):
    """A partition on its way, or whose leftovers are being removed."""

    partition: int
    source: str
    target: str
    phase: str
    reason: str
    rows_copied: int
    rows_total: int
    attempts: int
    seconds: float
    """Since it was intended."""


class RunningPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The plan whose moves are being made."""

    plan: int
    change: str
    applied_by: str
    seconds: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What moves may take."""

    is_paused: bool
    moves_at_once: int
    users_per_s_max: int | None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    map_version: int
    partitions: int
    balance: float | None
    """The most that any shard holds of its share: 1 is perfect, 1.1 and the rounding is what a plan allows."""
    limits: Limits
    plan: RunningPlan | None
    shards: tuple[ShardRow, ...]
    moves: tuple[MoveRow, ...]
    problems: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """A shard that holds partitions and is away or unserved is a failure; then what could not be told."""
        lost = [row for row in self.shards if row.state in ("unreachable", "no-worker") and row.partitions]
        if lost:
            return ExitCode.FAILED
        return ExitCode.UNKNOWN if self.problems else ExitCode.OK


def overview(
    stored: StoredMap,
    figures: Figures,
    *,
    ends: Mapping[Partition, int] | None,
    reports: Sequence[MoveReport],
    plans: Sequence[PlanRecord],
    now_ms: int,
) -> Overview:
    """The state now. `ends`: the ends of Kafka's partitions, None when it did not answer."""
    problems = [f"shard {shard}: {told.fault}" for shard, told in sorted(figures.items()) if told.fault]
    if stored.map is None:
        problems.append("there is no shard map yet: the first worker that starts with Postgres makes it")
    elif ends is not None and len(ends) != stored.map.partitions:
        problems.append(f"Kafka's topic has {len(ends)} partitions, the map {stored.map.partitions}")
    shard_map = stored.map or ShardMap(0, ())
    members = members_of(stored)
    caps = caps_of(shard_map.partitions, members) if members else {}
    rows = tuple(
        _shard_row(e, shard_map, figures=figures, ends=ends, members=members, cap=caps.get(e.shard, 0))
        for e in sorted(stored.shards, key=lambda entry: natural(entry.shard))
    )
    running = next((plan for plan in reversed(plans) if plan.state == "running"), None)
    return Overview(
        map_version=stored.version,
        partitions=shard_map.partitions,
        balance=max((round(row.partitions / row.share, 3) for row in rows if row.share), default=None),
        limits=limits_of(stored),
        plan=None if running is None else _running(running, now_ms=now_ms),
        shards=rows,
        moves=_moves(shard_map, reports, now_ms=now_ms),
        problems=tuple(problems),
    )


def limits_of(stored: StoredMap) -> Limits:
    """The limits as they are told."""
    limits = stored.limits
    return Limits(
        is_paused=limits.is_paused, moves_at_once=limits.moves_at_once, users_per_s_max=limits.users_per_s_max
    )


def _shard_row(
    entry: ShardEntry,
    shard_map: ShardMap,
    *,
    figures: Figures,
    ends: Mapping[Partition, int] | None,
    members: Mapping[ShardId, int],
    cap: int,
) -> ShardRow:
    told = figures.get(entry.shard, ShardFigures(entry.shard, fault="was not asked"))
    mine = shard_map.of_shard(entry.shard)
    is_away = bool(told.fault)
    own = [told.partitions[p] for p in mine if p in told.partitions]
    share = shard_map.partitions * members[entry.shard] / sum(members.values()) if entry.shard in members else 0.0
    return ShardRow(
        shard=entry.shard,
        state=_state(entry, told, holds=bool(mine)),
        weight=entry.weight,
        partitions=len(mine),
        share=round(share, 2),
        cap=cap,
        arriving=len(shard_map.moving_to(entry.shard)),
        departing=sum(o.move is not None and o.shard == entry.shard for o in shard_map.owners),
        users=None if is_away else sum(each.users for each in own),
        memory_bytes=None if is_away else told.memory_bytes,
        lag=None if is_away or ends is None else _lag(told, mine, ends=ends),
        records_per_s=None if is_away else round(sum(each.records_per_s for each in own), 1),
        fault=told.fault,
    )


def _state(entry: ShardEntry, told: ShardFigures, *, holds: bool) -> ShardState:
    if told.fault:
        return "unreachable"
    if not told.has_worker:
        return "no-worker"
    if entry.is_leaving:
        return "leaving"
    return "serving" if holds else "idle"


def _lag(told: ShardFigures, mine: Mapping[Partition, int], *, ends: Mapping[Partition, int]) -> int | None:
    """Records that are not counted yet; None when one of its partitions has no state to tell it by."""
    positions = {partition: told.held[partition].next_offset for partition in mine if partition in told.held}
    if len(positions) < len(mine):
        return None
    return sum(max(0, ends.get(partition, 0) - at) for partition, at in positions.items())


def _moves(shard_map: ShardMap, reports: Sequence[MoveReport], *, now_ms: int) -> tuple[MoveRow, ...]:
    newest = {report.partition: report for report in reports}
    rows = []
    for number, owner in enumerate(shard_map.owners):
        report = newest.get(Partition(number))
        if owner.move is not None:
            mine = report if report is not None and report.move_epoch == owner.move.epoch else None
            source, target = owner.shard, owner.move.target
            rows.append(_move(number, mine, source=source, target=target, phase=MovePhase.INTENDED, now_ms=now_ms))
        for shard in owner.forget:
            mine = report if report is not None and report.phase is MovePhase.FORGETTING else None
            rows.append(
                _move(number, mine, source=shard, target=owner.shard, phase=MovePhase.FORGETTING, now_ms=now_ms)
            )
    return tuple(rows)


def _move(
    partition: int, report: MoveReport | None, *, source: str, target: str, phase: MovePhase, now_ms: int
) -> MoveRow:
    return MoveRow(
        partition=partition,
        source=source,
        target=target,
        phase=(report.phase if report else phase).value,
        reason=report.reason if report else "",
        rows_copied=report.rows_copied if report else 0,
        rows_total=report.rows_total if report else 0,
        attempts=report.attempts if report else 0,
        seconds=max(0.0, round((now_ms - report.begun_ms) / 1000, 1)) if report else 0.0,
    )


def _running(record: PlanRecord, *, now_ms: int) -> RunningPlan:
    return RunningPlan(
        plan=record.plan,
        change=content_of(record).change,
        applied_by=record.applied_by,
        seconds=max(0.0, round((now_ms - record.applied_ms) / 1000, 1)),
    )
