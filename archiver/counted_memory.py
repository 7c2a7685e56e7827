"""What counted before a batch, as far as the batch asks: looked up in Postgres, continued record by record. Pure."""

from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.counting import CAP_DAYS_BEFORE, CountingRules, day_of, window_of
from contracts.ids import Id16, LogMs, Window
from contracts.record import ActionRecord, Record

UserAction = tuple[str, str]
"""A user id and the name of an action."""


class CapUse(NamedTuple):
    """How far one user has used one action's limits."""

    day: int
    """The newest day of log time on which an action with limits counted."""
    used: int
    """How many did on that day."""
    last_received_ms: int
    """`received_at` of the last one, in log order."""


@dataclass(slots=True)
class CountedMemory:
    """Of one partition; `contracts.counting.judge` asks it. Must hold what is known of every id and limit asked for."""

    seen: dict[Id16, Window] = field(default_factory=dict)
    """The newest window in which each id counted: an older one cannot matter any more."""
    kept: dict[Id16, int] = field(default_factory=dict)
    caps: dict[UserAction, CapUse] = field(default_factory=dict)
    new_kept: dict[Id16, int] = field(default_factory=dict)
    """What `remember` added, for the tables."""
    new_caps: dict[UserAction, CapUse] = field(default_factory=dict)
    _day: int = 0

    def knows_nothing_of(self, record: Record, id16: Id16) -> bool:
        """Whether the record is an action that nothing known can speak against, and that leaves nothing but its id."""
        return (
            type(record) is ActionRecord
            and record.limits is None
            and record.keep_until is None
            and id16 not in self.seen
            and id16 not in self.kept
        )

    def has_seen(self, id16: Id16, window: Window) -> bool:
        return self.seen.get(id16) == window

    def kept_until(self, id16: Id16) -> int | None:
        return self.kept.get(id16)

    def used_today(self, user_action: UserAction, day: int) -> int:
        use = self.caps.get(user_action)
        return use.used if use is not None and use.day == day else 0

    def last_received_ms(self, user_action: UserAction) -> int | None:
        use = self.caps.get(user_action)
        return use.last_received_ms if use is not None and use.day >= self._day - CAP_DAYS_BEFORE else None

    def move_to(self, log_ms: LogMs) -> None:
        """Log time went on: limits used too long ago are forgotten."""
        self._day = day_of(log_ms)

    def remember(self, record: Record, id16: Id16, *, log_ms: LogMs, rules: CountingRules) -> None:
        """The record counted at `log_ms`."""
        self.seen[id16] = window_of(log_ms, rules)
        if isinstance(record, ActionRecord):
            if record.keep_until is not None:
                self.kept[id16] = self.new_kept[id16] = record.keep_until
            if record.limits is not None:
                self._use_limits(record, day_of(log_ms))

    def _use_limits(self, record: ActionRecord, day: int) -> None:
        key = (record.user_id, record.action)
        use = CapUse(day, self.used_today(key, day) + 1, record.received_at)
        self.caps[key] = self.new_caps[key] = use
