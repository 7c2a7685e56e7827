"""What counted before in one partition, as far as the repeat rule and limits look back: bounded by log time. Pure."""

from dataclasses import dataclass, field

from contracts.counting import CAP_DAYS_BEFORE, CountingRules, day_of, window_of
from contracts.identity import id16_of
from contracts.ids import ActionId, Id16, LogMs, UserId, Window
from contracts.record import ActionRecord, EraseRecord, Record, VoidRecord


@dataclass(slots=True)
class CountedMemory:
    """Implements `contracts.counting.CountedBefore`. Tables are keyed and valued as the shard's Redis holds them."""

    rules: CountingRules
    seen: dict[Window, dict[Id16, int]] = field(default_factory=dict)
    """The two newest windows."""
    kept: dict[Id16, int] = field(default_factory=dict)
    caps: dict[int, dict[str, tuple[int, int]]] = field(default_factory=dict)
    """Per day: limited action → how many counted, `received_at` of the newest."""
    voided: dict[str, int] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)

    def has_seen(self, id16: Id16, window: Window) -> bool:
        return id16 in self.seen.get(window, ())

    def kept_until(self, id16: Id16) -> int | None:
        return self.kept.get(id16)

    def used_today(self, user_action: tuple[str, str], day: int) -> int:
        return self.caps.get(day, {}).get(_limited(user_action), (0, 0))[0]

    def last_received_ms(self, user_action: tuple[str, str]) -> int | None:
        key = _limited(user_action)
        for day in sorted(self.caps, reverse=True):
            if key in self.caps[day]:
                return self.caps[day][key][1]
        return None

    def forget_old(self, log_ms: LogMs) -> None:
        """Drop what cannot matter any more at this log time."""
        window, day = window_of(log_ms, self.rules), day_of(log_ms)
        for old in [known for known in self.seen if known < window - 1]:
            del self.seen[old]
        for past in [known for known in self.caps if known < day - CAP_DAYS_BEFORE]:
            del self.caps[past]

    def forget_expired(self, log_ms: LogMs) -> None:
        """Drop kept ids whose time is over."""
        for id16 in [id16 for id16, until in self.kept.items() if until < log_ms]:
            del self.kept[id16]

    def remember(self, record: Record, id16: Id16, *, log_ms: LogMs, offset: int) -> None:
        """After a record counted."""
        self.seen.setdefault(window_of(log_ms, self.rules), {})[id16] = 1
        if isinstance(record, ActionRecord):
            if record.keep_until is not None:
                self.kept[id16] = record.keep_until
            if record.limits is not None:
                key, today = _limited((record.user_id, record.action)), self.caps.setdefault(day_of(log_ms), {})
                today[key] = (today.get(key, (0, 0))[0] + 1, record.received_at)
        elif isinstance(record, EraseRecord):
            self.erased[_whose(record.user_id)] = offset
        elif isinstance(record, VoidRecord) and self.takes_effect(record):
            self.voided[_voided(record)] = record.void_offset

    def takes_effect(self, void: VoidRecord) -> bool:
        """Not when the action was voided before, nor when its user was erased after it."""
        erased_at = self.erased.get(_whose(void.user_id))
        return (erased_at is None or erased_at <= void.void_offset) and _voided(void) not in self.voided


def _limited(user_action: tuple[str, str]) -> str:
    user, action = user_action
    return id16_of(UserId(user), ActionId(action)).hex()


def _whose(user_id: UserId) -> str:
    return id16_of(user_id, ActionId("")).hex()


def _voided(void: VoidRecord) -> str:
    return id16_of(void.user_id, void.void_id).hex()
