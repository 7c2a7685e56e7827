"""The restore of one partition as steps: from what it can be restored, and what follows each outcome. Pure.

An attempt never argues: whatever refuses it, or does not answer, ends it, and a new claim tells where things stand. The
token, drawn anew for each attempt, makes this safe beside any other maker of the same partition.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from contracts.ids import LogMs, Offset
from contracts.log import LogBounds
from contracts.progress import LastRecord
from contracts.restore import RestoreSource
from shard_worker.partition_state import last_record_fault

MOVES_KEPT: Final = 8
"""Of an attempt's history, for the message of a move that cannot be."""


class Cause(Enum):
    """Why a partition cannot be followed from the state in its Redis."""

    ABSENT = "its Redis holds no state of it"
    LEFTOVER = "its Redis holds only what was left there before another shard had it"
    UNFINISHED = "its state was being made and is not whole"
    GAP = "the log lost records that were never applied"
    OTHER_LOG = "the log is not the one that was applied"
    ASKED = "an operator asked for it"


@dataclass(frozen=True, slots=True)
class Loss:
    """What is wrong with a partition's state."""

    cause: Cause
    detail: str = ""
    given_up: Offset | None = None
    """The position of an owned state that is given up; None: nothing is owned."""
    wanted: RestoreSource | None = None
    """What an operator wants it restored from."""
    request: str = ""

    def __str__(self) -> str:
        return f"{self.cause.value}: {self.detail}" if self.detail else self.cause.value


@dataclass(frozen=True, slots=True)
class Start:
    """A position that a restored partition can be followed from, with the totals that belong to it."""

    next_offset: Offset
    log_ms: LogMs
    last: LastRecord | None
    points: int
    counted: int


LOG_START: Final = Start(Offset(0), LogMs(0), None, 0, 0)
"""Before the first record."""


@dataclass(frozen=True, slots=True)
class Archive:
    """What Postgres holds of a partition."""

    begin_offset: Offset
    start: Start


@dataclass(frozen=True, slots=True)
class NoArchive:
    """Postgres cannot be read, or holds nothing; `reason` says which."""

    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """From what to restore, and where the log is read on."""

    source: RestoreSource
    start: Start


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is nothing to restore from, and what would help."""

    reason: str


def mark_to_find(archive: Archive | NoArchive, bounds: LogBounds) -> LastRecord | None:
    """The archived record that the log must hold too, when it still reaches back to it."""
    if isinstance(archive, NoArchive) or archive.start.last is None:
        return None
    last = archive.start.last
    return last if bounds.begin <= last.offset < bounds.end else None


def plan_restore(
    loss: Loss, bounds: LogBounds, *, archive: Archive | NoArchive, found: LastRecord | None
) -> Plan | Missing:
    """Choose the source. `found`: the log's record at `mark_to_find`.

    The log alone will do only from offset 0 on: Kafka counts from there, and a log that begins later has lost records.
    It never replaces by itself a state that it does not continue: a topic made anew would wipe the boards in silence.
    """
    if loss.wanted is RestoreSource.LOG:
        return Plan(RestoreSource.LOG, LOG_START) if bounds.begin == 0 else Missing(_log_is_short(bounds))
    if isinstance(archive, Archive):
        fault = archive_fault(archive, bounds, found=found)
        if fault is not None:
            return Missing(fault)
        if archive.start.next_offset > 0:
            return Plan(RestoreSource.POSTGRES, archive.start)
        archive = NoArchive("Postgres holds none of its records")
    if loss.wanted is RestoreSource.POSTGRES:
        return Missing(archive.reason)
    if bounds.begin > 0:
        return Missing(f"{_log_is_short(bounds)}, and {archive.reason}")
    if loss.cause is Cause.OTHER_LOG:
        return Missing(
            f"{loss.detail}. If this log is the right one, `shardboard restore --from log` counts it from its first "
            f"record ({archive.reason})"
        )
    return Plan(RestoreSource.LOG, LOG_START)


def archive_fault(archive: Archive, bounds: LogBounds, *, found: LastRecord | None) -> str | None:
    """Say why the archive and the log do not make a whole, or None."""
    start = archive.start
    if start.next_offset > bounds.end:
        return (
            f"Postgres holds the log up to offset {start.next_offset}, but it ends at {bounds.end}: "
            "it is another log, or lost its tail"
        )
    if archive.begin_offset > 0:
        return (
            f"Postgres holds the log only from offset {archive.begin_offset} on: it had lost its beginning before it "
            "was archived"
        )
    if start.next_offset < bounds.begin:
        return (
            f"Postgres holds the log up to offset {start.next_offset}, but it begins at {bounds.begin}: the records "
            "between are nowhere"
        )
    if start.last is not None and mark_to_find(archive, bounds) is not None:
        differs = last_record_fault(start.last, found)
        if differs is not None:
            return f"Postgres archived another log: {differs}"
    return None


def _log_is_short(bounds: LogBounds) -> str:
    return f"the log begins at offset {bounds.begin}, not at its first record"


class Step(Enum):
    """Where an attempt stands. What is in Redis if the process stops here is said in `redis_restore`."""

    PLANNING = "planning"
    WIPING = "wiping"
    WRITING = "writing"
    OWNING = "owning"
    OWNED = "owned"
    OVER = "over"
    """Claim again: somebody else has it, or it is unknown what was carried out."""
    STUCK = "stuck"
    """There is nothing to restore from."""


class Event(Enum):
    """What came of a step."""

    PLANNED = "planned"
    MISSING = "missing"
    DONE = "done"
    EXHAUSTED = "exhausted"
    """The source has no more rows."""
    REFUSED = "refused"
    FAILED = "failed"
    """No answer, or the source or the lease is gone."""


MOVES: Final[Mapping[tuple[Step, Event], Step]] = {
    (Step.PLANNING, Event.PLANNED): Step.WIPING,
    (Step.PLANNING, Event.MISSING): Step.STUCK,
    (Step.PLANNING, Event.FAILED): Step.OVER,
    (Step.WIPING, Event.DONE): Step.WRITING,
    (Step.WIPING, Event.REFUSED): Step.OVER,
    (Step.WIPING, Event.FAILED): Step.OVER,
    (Step.WRITING, Event.DONE): Step.WRITING,
    (Step.WRITING, Event.EXHAUSTED): Step.OWNING,
    (Step.WRITING, Event.REFUSED): Step.OVER,
    (Step.WRITING, Event.FAILED): Step.OVER,
    (Step.OWNING, Event.DONE): Step.OWNED,
    (Step.OWNING, Event.REFUSED): Step.OVER,
    (Step.OWNING, Event.FAILED): Step.OVER,
}
FINAL: Final = frozenset({Step.OWNED, Step.OVER, Step.STUCK})


class ImpossibleMove(Exception):
    """An event that the attempt's step does not know; the message has its last moves."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to restore a partition. `after` returns the next state."""

    step: Step = Step.PLANNING
    chunks: int = 0
    """Written so far."""
    moves: tuple[tuple[Step, Event], ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do in this attempt."""
        return self.step in FINAL

    def after(self, event: Event, *, chunks: int = 0) -> "Attempt":
        """The attempt after `event`; `chunks` were written by it. Raises ImpossibleMove."""
        step = MOVES.get((self.step, event))
        if step is None:
            raise ImpossibleMove(f"{self.step} knows no {event}; last moves: {self.moves}")
        moved = (*self.moves, (self.step, event))[-MOVES_KEPT:]
        attempt = replace(self, step=step, chunks=self.chunks + chunks, moves=moved)
        attempt.check_invariants()
        return attempt

    def check_invariants(self) -> None:
        """Raise AssertionError when this state cannot have come about."""
        assert self.chunks >= 0
        if self.step in (Step.PLANNING, Step.WIPING, Step.STUCK):
            assert self.chunks == 0, f"{self.chunks} chunks written before the wipe"
        if self.step is Step.OWNED:
            assert self.moves[-1] == (Step.OWNING, Event.DONE)
