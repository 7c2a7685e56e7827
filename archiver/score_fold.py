"""Folds counted records of one partition into changes of the score tables: sums for ordinary users, whole new states
for users who are hidden or moderated. Log order is kept where it matters. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from archiver.score_state import UserState
from contracts.counting import CountingRules, open_boards
from contracts.identity import id16_of
from contracts.ids import ActionId, Id16, LogMs, PeriodId, UserId
from contracts.periods import PeriodCalendar, PeriodSpan, SpanCache
from contracts.record import (
    ActionRecord,
    AdjustRecord,
    Control,
    EraseRecord,
    HideRecord,
    ProfileRecord,
    Record,
    UnhideRecord,
    VoidRecord,
)


class Counted(NamedTuple):
    """A record that counted."""

    offset: int
    log_ms: LogMs
    id16: Id16
    record: Record


class Moderation(NamedTuple):
    """A row of the moderation log. `points`: by how much the user's score changed."""

    offset: int
    log_ms: LogMs
    kind: str
    user_id: UserId
    moderator: str
    reason: str
    points: int
    void_offset: int | None


@dataclass(slots=True)
class Profile:
    """The newest of each; None: not told in this fold."""

    name: str | None = None
    metadata: dict[str, str] | None = None


@dataclass(slots=True)
class ScoreChanges:
    """What one fold changes."""

    increments: dict[tuple[UserId, PeriodId], list[int]] = field(default_factory=dict)
    """Users not in `states`: [points, scored_at] to add and to set."""
    states: dict[UserId, UserState] = field(default_factory=dict)
    """Whole states, after the fold."""
    profiles: dict[UserId, Profile] = field(default_factory=dict)
    """What the users told since their last erase."""
    erased: dict[UserId, int] = field(default_factory=dict)
    """Users erased in this fold → offset of the newest erase."""
    voided: dict[Id16, int] = field(default_factory=dict)
    moderation: list[Moderation] = field(default_factory=list)
    periods: set[PeriodId] = field(default_factory=set)
    points: int = 0
    """Sum of the absolute changes, as Redis's progress counts it."""
    counted: int = 0
    """Actions."""


def is_moderation(record: Record) -> bool:
    """Whether the record's effect depends on the user's state."""
    return not isinstance(record, ActionRecord | ProfileRecord)


def points_at_most(record: Record) -> int:
    """No score moves by more than this."""
    return abs(record.points) if isinstance(record, ActionRecord | AdjustRecord | VoidRecord) else 0


def user16(user_id: UserId) -> Id16:
    """What remains of an erased user: a digest."""
    return id16_of(user_id, ActionId(""))


class BoardClock:
    """Which boards a record reaches, for one deployment. It keeps recent answers; one owner."""

    def __init__(self, rules: CountingRules, calendar: PeriodCalendar) -> None:
        self._rules = rules
        self._calendar = calendar
        self._spans = SpanCache(calendar)
        self._span: PeriodSpan | None = None
        self._boards: tuple[PeriodId, ...] = ()
        self._asked_ms = 0
        self._good_until_ms = 0

    def boards(self, at: int, log_ms: LogMs) -> tuple[PeriodId, ...]:
        """The boards of a moment that are open at `log_ms`."""
        span = self._span
        if span is not None and span.start_ms <= at < span.end_ms and self._asked_ms <= log_ms < self._good_until_ms:
            return self._boards
        self._span = span = self._spans.span_at(at)
        self._boards = open_boards(span, log_ms, rules=self._rules)
        self._asked_ms = log_ms
        ends = (period.end_ms + self._rules.lateness_ms for period in span.periods)
        self._good_until_ms = min(end for end in ends if end > log_ms)
        return self._boards

    def is_open(self, period: PeriodId, log_ms: LogMs) -> bool:
        """Whether a board takes changes at `log_ms`."""
        return log_ms < self._calendar.parse(period).end_ms + self._rules.lateness_ms


class ScoreFold:
    """The changes of one fold in the making."""

    def __init__(self, clock: BoardClock, states: Mapping[UserId, UserState]) -> None:
        """`states`: of every user who is hidden or has a moderation record in the fold. They are changed in place."""
        self._clock = clock
        self.changes = ScoreChanges(states=dict(states))

    def add(self, counted: Iterable[Counted]) -> ScoreChanges:
        """Fold records, in log order. None may leave the bounds: who counted them has looked."""
        states, increments = self.changes.states, self.changes.increments
        for item in counted:
            record = item.record
            user = record.user_id
            if not isinstance(record, ActionRecord) or user in states:
                applied = self.try_add(item)
                assert applied, item
                continue
            boards = self._clock.boards(record.at, item.log_ms)
            for period in boards:
                sums = increments.get((user, period))
                if sums is None:
                    increments[user, period] = [record.points, item.log_ms]
                else:
                    sums[0] += record.points
                    sums[1] = item.log_ms
            self._count_action(record, boards)
        return self.changes

    def try_add(self, item: Counted) -> bool:
        """Fold one record of a user whose state is known, or any profile. False: out of bounds, nothing changed."""
        record, changes = item.record, self.changes
        if isinstance(record, ProfileRecord):
            self._tell(record.user_id, name=record.name, metadata=record.metadata)
            return True
        state = changes.states[record.user_id]
        if isinstance(record, ActionRecord):
            boards = self._clock.boards(record.at, item.log_ms)
            if not state.add(record.points, boards, scored_at=item.log_ms):
                return False
            self._count_action(record, boards)
            return True
        moved = self._moderate(record, state, item=item)
        if moved is None:
            return False
        changes.points += abs(moved)
        kind = type(record).__name__.removesuffix("Record").lower()
        void_offset = record.void_offset if isinstance(record, VoidRecord) else None
        changes.moderation.append(
            Moderation(
                item.offset, item.log_ms, kind, record.user_id, record.by, record.reason, moved, void_offset
            )
        )  # fmt: skip
        return True

    def _moderate(self, record: Control, state: UserState, *, item: Counted) -> int | None:
        """By how much the score changed; None: it would leave its bounds."""
        log_ms = item.log_ms
        if isinstance(record, AdjustRecord):
            boards = self._clock.boards(record.at, log_ms)
            self.changes.periods.update(boards)
            return record.points if state.add(record.points, boards, scored_at=None) else None
        if isinstance(record, VoidRecord):
            return self._void(record, state, log_ms=log_ms)
        if isinstance(record, HideRecord):
            state.hide(lambda period: self._clock.is_open(period, log_ms))
        elif isinstance(record, UnhideRecord):
            state.unhide(lambda period: self._clock.is_open(period, log_ms))
        elif isinstance(record, EraseRecord):
            state.erase(item.offset)
            self.changes.erased[record.user_id] = item.offset
            self.changes.profiles.pop(record.user_id, None)
        return 0

    def _void(self, record: VoidRecord, state: UserState, *, log_ms: LogMs) -> int | None:
        boards = self._clock.boards(record.void_at, log_ms)
        self.changes.periods.update(boards)
        void16 = id16_of(record.user_id, record.void_id)
        is_new = void16 not in state.voided
        fell = state.void(record.points, boards, void16=void16, void_offset=record.void_offset)
        if is_new and void16 in state.voided:
            self.changes.voided[void16] = record.void_offset
        return None if fell is None else -fell

    def _count_action(self, record: ActionRecord, boards: tuple[PeriodId, ...]) -> None:
        self.changes.counted += 1
        self.changes.points += record.points
        self.changes.periods.update(boards)
        if record.name is not None:
            self._tell(record.user_id, name=record.name, metadata=None)

    def _tell(self, user: UserId, *, name: str | None, metadata: dict[str, str] | None) -> None:
        profile = self.changes.profiles.setdefault(user, Profile())
        profile.name = profile.name if name is None else name
        profile.metadata = profile.metadata if metadata is None else metadata
