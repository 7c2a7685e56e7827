"""Counts the log of one partition record by record, by `contracts.counting` alone. Pure.

The worker folds batches and sums in Redis; this shares no code with it but the contracts, so that the two can disagree.
"""

from collections.abc import Iterable

from audit.counted_before import CountedMemory
from audit.log_scores import LogScores
from contracts.counting import DAY_MS, CountingRules, Outcome, advance_log_ms, judge, open_boards
from contracts.identity import id16_of
from contracts.ids import SCORE_LIMIT, LogMs, Offset, PeriodId
from contracts.log import Appended
from contracts.periods import PeriodCalendar, SpanCache
from contracts.progress import LastRecord
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


class LogCount:
    """One partition's log up to `next_offset`. Without scores it only keeps totals: then it cannot see a score leave
    the exact range, which it can not before `points` reaches 2^53."""

    def __init__(self, rules: CountingRules, calendar: PeriodCalendar, *, with_scores: bool = True) -> None:
        self._rules = rules
        self._calendar = calendar
        self._spans = SpanCache(calendar)
        self._forget_at = 0
        self._last: Appended | LastRecord | None = None
        self.memory = CountedMemory(rules)
        self.scores = LogScores() if with_scores else None
        self.next_offset = Offset(0)
        self.log_ms = LogMs(0)
        self.counted = 0
        self.points = 0
        self.dead = 0

    @property
    def shown_points(self) -> int:
        """As a shard's progress holds it: it stays where whole numbers are exact."""
        return min(self.points, SCORE_LIMIT - 1)

    @property
    def last(self) -> LastRecord | None:
        """The newest record, as a shard remembers it."""
        record = self._last
        if record is None or isinstance(record, LastRecord):
            return record
        return LastRecord.of(record)

    def begin_at(
        self, next_offset: Offset, log_ms: LogMs, *, counted: int, points: int, last: LastRecord | None
    ) -> None:
        """Stand in the middle of the log; scores and memory are the caller's to fill. Before the first record."""
        self.next_offset, self.log_ms, self._last = next_offset, log_ms, last
        self.counted, self.points = counted, points

    def take_all(self, records: Iterable[Appended]) -> None:
        """Records in log order."""
        for record in records:
            self.take(record)

    def take(self, record: Appended) -> Outcome | None:
        """The next record's outcome; None for one that is dead. Every record moves offset and log time."""
        self.log_ms = log_ms = advance_log_ms(self.log_ms, record.timestamp)
        self.next_offset, self._last = Offset(record.offset + 1), record
        if log_ms >= self._forget_at:
            self._forget_old(log_ms)
        try:
            decoded = decode(record.value)
        except BadRecord:
            self.dead += 1
            return None
        id16 = id16_of(decoded.user_id, decoded.id)
        outcome = judge(decoded, id16, log_ms=log_ms, before=self.memory, rules=self._rules)
        if outcome is Outcome.COUNTED:
            points = self._apply(decoded)
            if points is None:
                self.dead += 1
                return None
            self.points += points
            self.counted += isinstance(decoded, ActionRecord)
            self.memory.remember(decoded, id16, log_ms=log_ms, offset=record.offset)
        return outcome

    def is_open(self, period: PeriodId) -> bool:
        """Whether a board still takes changes at this partition's log time."""
        return self.log_ms < self._calendar.parse(period).end_ms + self._rules.lateness_ms

    def _apply(self, record: Record) -> int | None:
        """The |points| that it moved; None when a score would leave the exact range."""
        match record:
            case ActionRecord():
                return self._add(record.user_id, record.points, at=record.at, scored_at=self.log_ms)
            case AdjustRecord():
                return self._add(record.user_id, record.points, at=record.at, scored_at=None)
            case VoidRecord():
                if not self.memory.takes_effect(record):
                    return 0
                return self._add(record.user_id, -record.points, at=record.void_at, scored_at=None)
        if self.scores is not None:
            match record:
                case HideRecord():
                    self.scores.hide(record.user_id, self.is_open)
                case UnhideRecord():
                    self.scores.unhide(record.user_id, self.is_open)
                case EraseRecord():
                    self.scores.erase(record.user_id)
        return 0

    def _add(self, user: str, points: int, *, at: int, scored_at: LogMs | None) -> int | None:
        if self.scores is None:
            return abs(points)
        periods = open_boards(self._spans.span_at(at), self.log_ms, rules=self._rules)
        return abs(points) if self.scores.add(user, points, periods=periods, scored_at=scored_at) else None

    def _forget_old(self, log_ms: LogMs) -> None:
        window_ms = self._rules.window_ms
        self._forget_at = min((log_ms // window_ms + 1) * window_ms, (log_ms // DAY_MS + 1) * DAY_MS)
        self.memory.forget_old(log_ms)
        self.memory.forget_expired(log_ms)
