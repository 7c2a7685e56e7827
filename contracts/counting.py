"""The one pure rule of what counts. Worker, archiver, restore and verify all use it, so that they can never disagree.

Everything here depends on the log alone: the record, its log time, and what was counted before. There is no wall clock.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from contracts.ids import Id16, LogMs, PeriodId, Window
from contracts.periods import PeriodSpan
from contracts.record import ActionRecord, Limits, Record

DAY_MS: Final = 86_400_000
CAP_DAYS_BEFORE: Final = 2
"""Days of used limits remembered besides today: a cooldown of up to a day must survive two changes of day when clocks
differ."""


@dataclass(frozen=True, slots=True)
class CountingRules:
    """The durations of counting, all in ms of log time; equal in every service of a deployment."""

    window_ms: int = 900_000
    """A repeated id is recognised in its own window and the one before it."""
    lateness_ms: int = 660_000
    """A period stays open this long after its end."""
    back_ms: int = 600_000
    """How old an action's `at` may be when the gateway receives it."""
    ahead_ms: int = 60_000
    """How far in the future."""
    delivery_timeout_ms: int = 30_000
    """The longest that Kafka may take to append after the gateway stamped it."""
    clock_skew_ms: int = 60_000
    """Largest difference between two servers' clocks that the guarantees allow."""

    def fault(self) -> str | None:
        """Name the setting, its value and the rule when the durations do not fit together, or None."""
        least = self.back_ms + self.ahead_ms + self.delivery_timeout_ms + 2 * self.clock_skew_ms
        if self.window_ms < least:
            return f"window_ms = {self.window_ms} must be ≥ back + ahead + delivery timeout + 2 × clock skew = {least}"
        if self.lateness_ms < self.back_ms + self.clock_skew_ms:
            return f"lateness_ms = {self.lateness_ms} must be ≥ back + clock skew = {self.back_ms + self.clock_skew_ms}"
        return None


def advance_log_ms(log_ms: LogMs, append_ms: int) -> LogMs:
    """A partition's log time after one more record; never goes back. Every record counts, bad ones too."""
    return LogMs(append_ms) if append_ms > log_ms else log_ms


def window_of(log_ms: LogMs, rules: CountingRules) -> Window:
    """The window that ids seen at `log_ms` are remembered in."""
    return Window(log_ms // rules.window_ms)


def day_of(log_ms: LogMs) -> int:
    """The UTC day of log time that per-day caps are counted in."""
    return log_ms // DAY_MS


def open_boards(span: PeriodSpan, log_ms: LogMs, *, rules: CountingRules) -> tuple[PeriodId, ...]:
    """The boards of `span` that still take an action at `log_ms`: log_ms < period end + lateness."""
    if log_ms < span.first_end_ms + rules.lateness_ms:
        return span.ids
    return tuple(period.id for period in span.periods if log_ms < period.end_ms + rules.lateness_ms)


class Outcome(Enum):
    """What the log's reader does with an action."""

    COUNTED = "counted"
    REPEAT = "repeat"
    CAPPED = "capped"


class CountedBefore(Protocol):
    """What a reader remembers of the log so far, for one partition."""

    def has_seen(self, id16: Id16, window: Window) -> bool:
        """Whether a record with this id was counted in `window`."""
        ...

    def kept_until(self, id16: Id16) -> int | None:
        """The `keep_until` of a counted record with this id, or None."""
        ...

    def used_today(self, user_action: tuple[str, str], day: int) -> int:
        """How many actions (user, action) counted on this day of log time."""
        ...

    def last_received_ms(self, user_action: tuple[str, str]) -> int | None:
        """`received_at` of the newest counted action (user, action), or None."""
        ...


def judge(record: Record, id16: Id16, *, log_ms: LogMs, before: CountedBefore, rules: CountingRules) -> Outcome:
    """Whether a record counts, given what counted before it in the same partition.

    Controls have ids too: a moderator's retry must not take points twice. Only actions have limits, and only actions
    that carry limits use them up; `last_received_ms` is that of the last one that counted in log order.
    """
    window = window_of(log_ms, rules)
    if before.has_seen(id16, window) or before.has_seen(id16, Window(window - 1)):
        return Outcome.REPEAT
    kept = before.kept_until(id16)
    if kept is not None and log_ms <= kept:
        return Outcome.REPEAT
    if isinstance(record, ActionRecord) and record.limits is not None:
        return Outcome.CAPPED if _is_capped(record, record.limits, log_ms=log_ms, before=before) else Outcome.COUNTED
    return Outcome.COUNTED


def _is_capped(record: ActionRecord, limits: Limits, *, log_ms: LogMs, before: CountedBefore) -> bool:
    key = (record.user_id, record.action)
    if limits.cap_per_day is not None and before.used_today(key, day_of(log_ms)) >= limits.cap_per_day:
        return True
    if limits.cooldown_ms is None:
        return False
    last = before.last_received_ms(key)
    return last is not None and record.received_at - last < limits.cooldown_ms
