"""What a partition's Redis must hold after a log: record by record, in plain dicts, by the rules in `contracts`.

Written apart from the fold and the function library, which work in batches; tests compare the two."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.counting import CountingRules, Outcome, advance_log_ms, day_of, judge, open_boards, window_of
from contracts.identity import id16_of
from contracts.ids import SCORE_LIMIT, Id16, LogMs, PeriodId, Window
from contracts.periods import PeriodCalendar
from contracts.record import (
    ActionRecord,
    AdjustRecord,
    BadRecord,
    EraseRecord,
    HideRecord,
    Record,
    UnhideRecord,
    VoidRecord,
    decode,
)


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A record in a test's log."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


Cell = tuple[int, int]
"""A user's score and scored_at on a board."""


@dataclass(slots=True)
class ApplyModel:
    """One partition. `apply` takes the log in order."""

    calendar: PeriodCalendar
    rules: CountingRules
    boards: dict[str, dict[str, Cell]] = field(default_factory=dict)
    hidden: dict[str, dict[str, Cell]] = field(default_factory=dict)
    log_ms: LogMs = field(default=LogMs(0))
    counted: int = 0
    points: int = 0
    dead: list[int] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    _seen: dict[Window, set[Id16]] = field(default_factory=dict)
    _kept: dict[Id16, int] = field(default_factory=dict)
    _used: dict[tuple[int, tuple[str, str]], int] = field(default_factory=dict)
    _received: dict[tuple[str, str], int] = field(default_factory=dict)
    _voided: set[str] = field(default_factory=set)
    _erased: dict[str, int] = field(default_factory=dict)

    def has_seen(self, id16: Id16, window: Window) -> bool:
        return id16 in self._seen.get(window, ())

    def kept_until(self, id16: Id16) -> int | None:
        return self._kept.get(id16)

    def used_today(self, user_action: tuple[str, str], day: int) -> int:
        return self._used.get((day, user_action), 0)

    def last_received_ms(self, user_action: tuple[str, str]) -> int | None:
        return self._received.get(user_action)

    def apply(self, records: Iterable[LogRecord]) -> None:
        """One record after the other."""
        for record in records:
            self.log_ms = advance_log_ms(self.log_ms, record.timestamp)
            try:
                decoded = decode(record.value)
            except BadRecord:
                self.dead.append(record.offset)
                continue
            id16 = id16_of(decoded.user_id, decoded.id)
            outcome = judge(decoded, id16, log_ms=self.log_ms, before=self, rules=self.rules)
            if outcome is Outcome.COUNTED:
                if not self._step(decoded, record.offset):
                    self.dead.append(record.offset)
                    continue
                self._remember(decoded, id16)
            self.outcomes[record.offset] = outcome

    def _remember(self, record: Record, id16: Id16) -> None:
        self._seen.setdefault(window_of(self.log_ms, rules=self.rules), set()).add(id16)
        if isinstance(record, ActionRecord):
            self.counted += 1
            if record.keep_until is not None:
                self._kept[id16] = record.keep_until
            if record.limits is not None:
                key = (record.user_id, record.action)
                today = (day_of(self.log_ms), key)
                self._used[today] = self._used.get(today, 0) + 1
                self._received[key] = record.received_at

    def _step(self, record: Record, offset: int) -> bool:
        """Carry a record out; False when a score would leave its bounds."""
        user = record.user_id
        if isinstance(record, ActionRecord):
            return self._add(user, record.points, at=record.at, scored_at=self.log_ms)
        if isinstance(record, AdjustRecord):
            return self._add(user, record.points, at=record.at)
        if isinstance(record, VoidRecord):
            return self._void(record)
        if isinstance(record, HideRecord):
            self._hide(user)
        elif isinstance(record, UnhideRecord):
            for name, cell in self.hidden.pop(user, {}).items():
                if self._is_open(name):
                    self.boards.setdefault(name, {})[user] = cell
        elif isinstance(record, EraseRecord):
            self.hidden.pop(user, None)
            for cells in self.boards.values():
                cells.pop(user, None)
            self._erased[user] = offset
        return True

    def _void(self, record: VoidRecord) -> bool:
        key = f"{record.user_id}/{record.void_id}"
        if self._erased.get(record.user_id, -1) > record.void_offset or key in self._voided:
            return True
        if not self._add(record.user_id, -record.points, at=record.void_at):
            return False
        self._voided.add(key)
        return True

    def _hide(self, user: str) -> None:
        if user not in self.hidden:
            names = [name for name, cells in self.boards.items() if user in cells and self._is_open(name)]
            self.hidden[user] = {name: self.boards[name].pop(user) for name in names}

    def _add(self, user: str, points: int, *, at: int, scored_at: int | None = None) -> bool:
        changed: list[tuple[str, Cell]] = []
        for period in open_boards(self.calendar.span_at(at), self.log_ms, rules=self.rules):
            score, was_at = self.hidden[user].get(period, (0, 0)) if user in self.hidden else self._cell(period, user)
            if abs(score + points) >= SCORE_LIMIT:
                return False
            changed.append((period, (score + points, was_at if scored_at is None else scored_at)))
        for name, cell in changed:
            if user in self.hidden:
                self.hidden[user][name] = cell
            else:
                self.boards.setdefault(name, {})[user] = cell
        self.points += abs(points)
        return True

    def _cell(self, period: str, user: str) -> Cell:
        return self.boards.get(period, {}).get(user, (0, 0))

    def _is_open(self, period: str) -> bool:
        return self.log_ms < self.calendar.parse(PeriodId(period)).end_ms + self.rules.lateness_ms
