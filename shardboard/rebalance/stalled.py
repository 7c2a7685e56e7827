"""Why a move does not go on, and what somebody can do about it: from the map, the shards, and what was told. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import OVER, MoveLimits, MovePhase, MoveReport, StoredMap
from contracts.shard_map import Ownership
from shardboard.rebalance.figures import Figures, ShardFigures

SILENT_MS: Final = 15_000
"""A worker tells of a move at each phase and about each second of a copy: so long a silence is no accident."""
BEGUN: Final = frozenset(MovePhase) - {MovePhase.INTENDED, MovePhase.WAITING, MovePhase.FORGETTING, *OVER}


class MoveFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One move that is not over."""

    partition: int
    source: str
    target: str
    phase: str
    is_stalled: bool
    """Whether somebody has to do something."""
    reason: str
    remedy: str
    told_s: float
    """How long ago its worker told something last."""


class StalledReport(msgspec.Struct, frozen=True, kw_only=True):
    """All moves that are not over: docs/schemas/rebalance-why-stalled.json."""

    map_version: int
    moves: tuple[MoveFinding, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Stalled if any is; nothing to do when nothing is on its way."""
        if not self.moves:
            return ExitCode.NOTHING_TO_DO
        return ExitCode.STALLED if any(move.is_stalled for move in self.moves) else ExitCode.OK


@dataclass(frozen=True, slots=True)
class _Case:
    """All that is known of one move."""

    source: ShardId
    target: ShardId
    phase: MovePhase
    told: str
    told_ms: int
    at_source: ShardFigures
    at_target: ShardFigures
    others: int
    """Moves that have begun and are not switched, but this."""


def why_stalled(stored: StoredMap, reports: Sequence[MoveReport], *, figures: Figures, now_ms: int) -> StalledReport:
    """Look at every move that the map intends, and every leftover that is still to be removed."""
    newest = {report.partition: report for report in reports}
    findings = []
    begun = sum(report.phase in BEGUN for report in newest.values())
    owners = () if stored.map is None else stored.map.owners
    for partition, owner in enumerate(owners):
        for case in _cases(owner, newest.get(Partition(partition)), figures=figures, begun=begun):
            is_stalled, reason, remedy = _diagnose(case, stored.limits, now_ms=now_ms)
            told_s = max(0.0, round((now_ms - case.told_ms) / 1000, 1)) if case.told_ms else 0.0
            findings.append(
                MoveFinding(
                    partition=partition, source=case.source, target=case.target, phase=case.phase.value,
                    is_stalled=is_stalled, reason=reason, remedy=remedy, told_s=told_s,
                )
            )  # fmt: skip
    return StalledReport(map_version=stored.version, moves=tuple(findings))


def _cases(owner: Ownership, report: MoveReport | None, *, figures: Figures, begun: int) -> Iterator[_Case]:
    def case(source: ShardId, target: ShardId, *, phase: MovePhase, told: MoveReport | None) -> _Case:
        return _Case(
            source, target, phase, told.reason if told else "", told.changed_ms if told else 0,
            at_source=_figures(figures, source), at_target=_figures(figures, target),
            others=begun - (phase in BEGUN),
        )  # fmt: skip

    if owner.move is not None:
        mine = report if report is not None and report.move_epoch == owner.move.epoch else None
        phase = MovePhase.INTENDED if mine is None or mine.phase in OVER else mine.phase
        yield case(owner.shard, owner.move.target, phase=phase, told=mine)
    for shard in owner.forget:
        mine = report if report is not None and shard in (report.source, report.target) else None
        yield case(shard, owner.shard, phase=MovePhase.FORGETTING, told=mine)


def _diagnose(case: _Case, limits: MoveLimits, *, now_ms: int) -> tuple[bool, str, str]:
    """Whether it is stalled, why, and what to do; the first cause that applies."""
    if case.phase is MovePhase.FORGETTING:
        return _diagnose_leftovers(case, now_ms=now_ms)
    if limits.is_paused and case.phase not in BEGUN:
        return True, "moves are paused", "`shardboard rebalance resume`"
    if case.at_target.fault:
        return True, _away(case.at_target), "bring it back, or take the move back: `shardboard rebalance abort`"
    if not case.at_target.has_worker:
        why = f"no worker serves {case.target}, which is to receive it; other moves do not wait for it"
        return True, why, f"start it: `shardboard worker --shard {case.target} --redis …`"
    if case.at_source.fault and case.phase is not MovePhase.RESTORING:
        why = f"{_away(case.at_source)}; it is restored from Postgres and the log instead, once they can"
        return bool(_silent(case, now_ms)), why, f"nothing, or bring the Redis of {case.source} back"
    if case.phase is MovePhase.INTENDED and case.others >= limits.moves_at_once:
        why = f"it waits for its turn: {limits.moves_at_once} moves at once"
        return False, why, "nothing, or `shardboard rebalance throttle --moves-at-once N`"
    if silence := _silent(case, now_ms):
        return True, silence, f"read the log of the worker of {case.target}; the move goes on where it was"
    return False, case.told or "it goes on", "nothing"


def _diagnose_leftovers(case: _Case, *, now_ms: int) -> tuple[bool, str, str]:
    """The partition is served by its owner already; only leftovers at another shard are to be removed."""
    if case.at_source.fault:
        why = f"leftovers at {case.source} cannot be removed: {_away(case.at_source)}"
        return True, why, f"bring it back; if it is gone for good, `shardboard rebalance give-up {case.source}`"
    if not case.at_target.has_worker:
        return True, f"no worker serves {case.target}, which removes the leftovers", "start it"
    if silence := _silent(case, now_ms):
        return True, silence, f"read the log of the worker of {case.target}"
    return False, f"leftovers at {case.source} are being removed", "nothing"


def _silent(case: _Case, now_ms: int) -> str:
    silent_ms = now_ms - case.told_ms
    if not case.told_ms or silent_ms <= SILENT_MS:
        return ""
    told = f"; the last was: {case.told}" if case.told else ""
    return f"the worker of {case.target} told nothing for {silent_ms / 1000:.0f} s{told}"


def _away(figures: ShardFigures) -> str:
    return f"the Redis of {figures.shard} does not answer ({figures.fault})"


def _figures(figures: Mapping[ShardId, ShardFigures], shard: ShardId) -> ShardFigures:
    return figures.get(shard, ShardFigures(shard, fault="it takes no part in the deployment"))
