"""How far an applied plan is: each move's phase, the rate, the time that is left, and what the end means. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.exit_codes import ExitCode
from contracts.moves import MoveLimits, MovePhase, MoveReport, PlanRecord
from shardboard.rebalance.plan_file import PlanFile, content_of

LEFTOVERS_S_MAX: Final = 20.0
"""All is served from its new place, and only leftovers are to be removed, which takes a moment: one who looks on for so
long in vain may go, and ask why."""
PACE_OVER_S: Final = 30.0
"""The rate shown is that of the last seconds: of several moves, so that it is calm."""
_PARTS: Final = {
    MovePhase.VERIFYING: 0.9,
    MovePhase.OWNING: 0.95,
    MovePhase.SWITCHING: 0.97,
    MovePhase.FORGETTING: 1.0,
    MovePhase.DONE: 1.0,
    MovePhase.ABORTED: 1.0,
}
"""How much of a move is done when it is in this phase; copying grows up to the first of them."""
_COPYING: Final = (MovePhase.COPYING, MovePhase.RESTORING)


class MoveProgress(msgspec.Struct, frozen=True, kw_only=True):
    """One move."""

    partition: int
    source: str
    target: str
    phase: str
    reason: str
    rows_copied: int
    rows_total: int
    attempts: int
    paused_ms: int | None
    seconds: float
    """From its beginning to the last that was told of it."""


class PlanProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A plan: docs/schemas/rebalance-progress.json."""

    plan: int
    change: str
    state: str
    is_paused: bool
    done: int
    """Served from their new place."""
    leftovers: int
    """Of those, where something is still to be removed at the old place."""
    aborted: int
    left: int
    rows_copied: int
    fraction: float
    seconds: float
    """Since it was applied, or as long as it took."""
    moves: tuple[MoveProgress, ...]

    @property
    def exit_code(self) -> ExitCode:
        """Still running is not done in time; a plan that did not move everything ended differently."""
        if self.state == "running":
            return ExitCode.STALLED
        return ExitCode.OK if self.state == "done" and not self.aborted else ExitCode.DIFFERENT


def progress_of(record: PlanRecord, reports: Sequence[MoveReport], *, limits: MoveLimits, now_ms: int) -> PlanProgress:
    """`reports`: of this plan."""
    phases = Counter(report.phase for report in reports)
    done = phases[MovePhase.DONE] + phases[MovePhase.FORGETTING]
    is_over = record.state != "running"
    ended_ms = max((report.changed_ms for report in reports), default=record.applied_ms) if is_over else now_ms
    plan = content_of(record)
    return PlanProgress(
        plan=record.plan,
        change=plan.change,
        state=record.state,
        is_paused=limits.is_paused,
        done=done,
        leftovers=phases[MovePhase.FORGETTING],
        aborted=phases[MovePhase.ABORTED],
        left=len(reports) - done - phases[MovePhase.ABORTED],
        rows_copied=sum(report.rows_copied for report in reports),
        fraction=_fraction(plan, reports),
        seconds=max(0.0, round((ended_ms - record.applied_ms) / 1000, 1)),
        moves=tuple(map(_move, sorted(reports, key=lambda report: report.partition))),
    )


class Pace:
    """Rate and time left over the last seconds. It is told the time."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, float, int]] = []

    def observe(self, now_s: float, progress: PlanProgress) -> tuple[float, float | None]:
        """Rows per second now, and the seconds left; None while nothing moves."""
        self._marks.append((now_s, progress.fraction, progress.rows_copied))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - PACE_OVER_S:
            del self._marks[0]
        then_s, fraction, rows = self._marks[0]
        took_s, gained = now_s - then_s, progress.fraction - fraction
        if took_s <= 0:
            return 0.0, None
        left_s = (1 - progress.fraction) * took_s / gained if gained > 0 else None
        return max(0.0, (progress.rows_copied - rows) / took_s), left_s


def progress_text(progress: PlanProgress, *, rows_per_s: float, left_s: float | None) -> str:
    """In one line: `plan 7 (add s4): 5 of 16 moved, 2 copying · 93,000 rows/s · 0:41 left`."""
    phases = Counter(move.phase for move in progress.moves if move.phase not in ("done", "forgetting", "aborted"))
    under_way = [f"{count} {phase}" for phase, count in sorted(phases.items())]
    head = ", ".join([f"{progress.done} of {len(progress.moves)} moved", *under_way])
    parts = [f"plan {progress.plan} ({progress.change}): {head}"]
    waiting = next((move for move in progress.moves if move.phase == MovePhase.WAITING and move.reason), None)
    if waiting is not None:
        parts.append(f"partition {waiting.partition} waits: {waiting.reason}")
    if progress.leftovers:
        parts.append(f"leftovers of {progress.leftovers} to remove")
    if progress.aborted:
        parts.append(f"{progress.aborted} aborted")
    if progress.state == "running":
        parts.append(f"{rows_per_s:,.0f} rows/s")
        if progress.is_paused:
            parts.append("paused: `rebalance resume` goes on")
        elif left_s is not None:
            parts.append(f"{_clock(left_s)} left")
    else:
        parts.append(f"{progress.state} after {_clock(progress.seconds)}")
    return " · ".join(parts)


def _fraction(plan: PlanFile, reports: Sequence[MoveReport]) -> float:
    """The part of the work that is done: moves weigh what they were estimated to take."""
    weight = {move.partition: float(move.pause_ms or 1) for move in plan.moves}
    total = sum(weight.get(report.partition, 1.0) for report in reports)
    if not total:
        return 1.0
    return sum(weight.get(report.partition, 1.0) * _part(report) for report in reports) / total


def _part(report: MoveReport) -> float:
    if report.phase in _COPYING and report.rows_total:
        return min(1.0, report.rows_copied / report.rows_total) * _PARTS[MovePhase.VERIFYING]
    return _PARTS.get(report.phase, 0.0)


def _move(report: MoveReport) -> MoveProgress:
    return MoveProgress(
        partition=report.partition,
        source=report.source,
        target=report.target,
        phase=report.phase.value,
        reason=report.reason,
        rows_copied=report.rows_copied,
        rows_total=report.rows_total,
        attempts=report.attempts,
        paused_ms=report.paused_ms,
        seconds=max(0.0, round((report.changed_ms - report.begun_ms) / 1000, 1)),
    )


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}" if whole >= 3600 else f"{whole // 60}:{whole % 60:02}"
    )
