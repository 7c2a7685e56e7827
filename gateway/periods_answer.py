"""What GET /periods answers: the periods that go on now, and the closed ones that the archive has. Pure."""

from collections.abc import Iterable

import msgspec

from contracts.ids import PeriodId
from contracts.periods import FOREVER_MS, BadPeriod, Period, PeriodCalendar


class CurrentPeriod(msgspec.Struct, frozen=True):
    """A period that goes on. Times are unix ms."""

    period: str
    start: int
    end: int | None
    """null: it never ends."""
    seconds_left: int | None


class ClosedPeriod(msgspec.Struct, frozen=True):
    """A board that is closed for good."""

    period: str
    start: int
    end: int
    closed_at: int
    users: int


class PeriodKind(msgspec.Struct, frozen=True):
    """One configured kind of period."""

    kind: str
    zone: str
    """The IANA time zone whose midnights are meant."""
    current: CurrentPeriod
    closed: tuple[ClosedPeriod, ...] | None
    """Newest first; null while the archive cannot be asked."""


class PeriodsAnswer(msgspec.Struct, frozen=True):
    """All kinds of this deployment, or the one asked for."""

    now: int
    kinds: tuple[PeriodKind, ...]


def current_of(period: Period, now_ms: int) -> CurrentPeriod:
    """A period that goes on at `now_ms`."""
    if period.end_ms >= FOREVER_MS:
        return CurrentPeriod(period.id, period.start_ms, None, None)
    left_ms = max(0, period.end_ms - now_ms)
    return CurrentPeriod(period.id, period.start_ms, period.end_ms, -(-left_ms // 1000))


def closed_of(rows: Iterable[tuple[PeriodId, int, int]], calendar: PeriodCalendar) -> tuple[ClosedPeriod, ...]:
    """Closed boards with their spans; what the calendar does not know any more is left out."""
    found: list[ClosedPeriod] = []
    for period_id, closed_at_ms, users in rows:
        try:
            period = calendar.parse(period_id)
        except BadPeriod:
            continue
        found.append(ClosedPeriod(period_id, period.start_ms, period.end_ms, closed_at_ms, users))
    return tuple(found)
