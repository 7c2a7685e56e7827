"""Periods: which boards an action at a given time belongs to, when each begins and ends, and how ids read.

Ids: `all_time`, `daily:2026-11-24`, `weekly:2026-W48` (ISO), `monthly:2026-11`, `every6h:2026-11-24T18`. A kind is
written `daily` or, with an IANA time zone, `daily@Europe/Paris`. A period begins when the zone's clock first shows its
first minute or, where the clock leaps over it, right after the leap.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from contracts.ids import PeriodId

ALL_TIME: Final = PeriodId("all_time")
HOURS: Final = (1, 2, 3, 4, 6, 8, 12)
"""Lengths that divide a day: periods begin at the same hours every day, whatever the clock does in between."""
_HOURS_OF: Final = {f"every{hours}h": hours for hours in HOURS}
KINDS: Final = ("all_time", "daily", "weekly", "monthly", *_HOURS_OF)
PERIODS_DEFAULT: Final = "all_time,daily,weekly"
FOREVER_MS: Final = 2**62
_ID = re.compile(
    r"daily:(?P<day>\d{4}-\d\d-\d\d)|weekly:(?P<iso_year>\d{4})-W(?P<week>\d\d)"
    r"|monthly:(?P<month>\d{4}-\d\d)|every(?P<hours>\d{1,2})h:(?P<date>\d{4}-\d\d-\d\d)T(?P<hour>\d\d)",
    re.ASCII,
)
_YEARS: Final = range(1969, 9999)
"""Unix time's first week and local day begin in 1969; what begins in 9999 would end after the calendar does."""


class BadPeriod(ValueError):
    """Not the name of a period; the message says why."""


@dataclass(frozen=True, slots=True)
class Period:
    """One board's span of time, [start_ms, end_ms) in unix ms. `all_time` reaches from 0 to FOREVER_MS."""

    id: PeriodId
    kind: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class PeriodSpan:
    """A stretch of time within which every moment belongs to the same periods."""

    start_ms: int
    end_ms: int
    periods: tuple[Period, ...]
    ids: tuple[PeriodId, ...]

    @property
    def first_end_ms(self) -> int:
        """When the first of the periods ends."""
        return min(period.end_ms for period in self.periods)


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    zone: ZoneInfo | None


class PeriodCalendar:
    """The configured kinds of period. Immutable; cheap to ask through `span_at`."""

    def __init__(self, spec: str = PERIODS_DEFAULT) -> None:
        """`spec`: comma-separated kinds, such as `all_time,daily@Europe/Paris`. Raises BadPeriod."""
        self._kinds = _parse_kinds(spec)

    @property
    def spec(self) -> str:
        """The canonical form of the configuration, equal for calendars that are equal."""
        return ",".join(f"{k.name}@{k.zone.key}" if k.zone else k.name for k in self._kinds)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The configured kinds, `all_time` first."""
        return tuple(kind.name for kind in self._kinds)

    def zone_of(self, kind: str) -> str:
        """The IANA name of the zone of a kind. Raises BadPeriod if the kind is not configured."""
        zone = self._kind(kind).zone
        return "UTC" if zone is None else zone.key

    def span_at(self, at_ms: int) -> PeriodSpan:
        """The periods that a moment belongs to, with the stretch around it where that stays true."""
        periods = tuple(_period_at(kind, at_ms) for kind in self._kinds)
        return PeriodSpan(
            start_ms=max(period.start_ms for period in periods),
            end_ms=min(period.end_ms for period in periods),
            periods=periods,
            ids=tuple(period.id for period in periods),
        )

    def current(self, kind: str, now_ms: int) -> Period:
        """The period of `kind` that `now_ms` falls in. Raises BadPeriod if the kind is not configured."""
        return _period_at(self._kind(kind), now_ms)

    def parse(self, period_id: str) -> Period:
        """The period with this id. Raises BadPeriod if malformed, not in the calendar, or of a kind not configured."""
        if period_id == ALL_TIME:
            return _period_at(self._kind("all_time"), 0)
        match = _ID.fullmatch(period_id)
        if match is None:
            raise BadPeriod(
                f"{period_id!r} is not a period such as all_time, daily:2026-11-24, weekly:2026-W48, monthly:2026-11"
            )
        kind = self._kind(period_id.partition(":")[0])
        try:
            first = _first_minute(match)
        except ValueError as error:
            raise BadPeriod(f"{period_id!r} is not in the calendar: {error}") from error
        if first.year not in _YEARS:
            raise BadPeriod(f"{period_id!r} is not in the calendar: years reach from {_YEARS[0]} to {_YEARS[-1]}")
        if _floor(kind.name, first) != first:
            raise BadPeriod(f"{period_id!r} is not in the calendar: no period of {kind.name} begins at that hour")
        return _period_from(kind, first)

    def _kind(self, name: str) -> _Kind:
        for kind in self._kinds:
            if kind.name == name:
                return kind
        raise BadPeriod(f"period kind {name!r} is not configured here; configured: {', '.join(self.kinds)}")


class SpanCache:
    """Remembers the spans asked for last. One owner; not to be shared between tasks."""

    SPANS_MAX: Final = 64
    """A batch holds few distinct days; backfill of years stays bounded."""

    def __init__(self, calendar: PeriodCalendar) -> None:
        self._calendar = calendar
        self._spans: list[PeriodSpan] = []

    def span_at(self, at_ms: int) -> PeriodSpan:
        """As `PeriodCalendar.span_at`; most recently used first."""
        for i, span in enumerate(self._spans):
            if span.start_ms <= at_ms < span.end_ms:
                if i:
                    self._spans.insert(0, self._spans.pop(i))
                return span
        span = self._calendar.span_at(at_ms)
        self._spans.insert(0, span)
        del self._spans[self.SPANS_MAX :]
        return span


def _parse_kinds(spec: str) -> tuple[_Kind, ...]:
    kinds: list[_Kind] = []
    for part in spec.split(","):
        name, at, zone_name = part.strip().partition("@")
        if name not in KINDS:
            raise BadPeriod(f"unknown period kind {name!r}; known: {', '.join(KINDS)}")
        if any(kind.name == name for kind in kinds):
            raise BadPeriod(f"period kind {name!r} is given twice")
        if at and name == "all_time":
            raise BadPeriod("all_time has no time zone")
        kinds.append(_Kind(name, _zone(zone_name) if at else None))
    if not any(kind.name == "all_time" for kind in kinds):
        raise BadPeriod("all_time must be among the periods: every action counts for it")
    order: Sequence[str] = KINDS
    return tuple(sorted(kinds, key=lambda kind: order.index(kind.name)))


def _zone(name: str) -> ZoneInfo | None:
    try:
        return None if name == "UTC" else ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadPeriod(f"unknown time zone {name!r}: use an IANA name such as Europe/Paris") from error


def _period_at(kind: _Kind, at_ms: int) -> Period:
    if kind.name == "all_time":
        return Period(ALL_TIME, kind.name, 0, FOREVER_MS)
    first = _floor(kind.name, datetime.fromtimestamp(at_ms // 1000, kind.zone or UTC).replace(tzinfo=None))
    period = _period_from(kind, first)
    # A clock that is set back shows the time of a period that has ended already: periods do not repeat.
    while at_ms >= period.end_ms:
        first = _shift(kind.name, first, count=1)
        period = _period_from(kind, first)
    while at_ms < period.start_ms:
        first = _shift(kind.name, first, count=-1)
        period = _period_from(kind, first)
    return period


def _period_from(kind: _Kind, first: datetime) -> Period:
    """The period whose first minute the zone's clock shows as `first`."""
    return Period(
        id=_id(kind.name, first),
        kind=kind.name,
        start_ms=_first_moment_ms(first, kind.zone),
        end_ms=_first_moment_ms(_shift(kind.name, first, count=1), kind.zone),
    )


def _first_minute(match: re.Match[str]) -> datetime:
    """Raises ValueError when there is no such day, week, month or hour."""
    if match["iso_year"]:
        return datetime.combine(date.fromisocalendar(int(match["iso_year"]), int(match["week"]), 1), time())
    if match["month"]:
        return datetime.fromisoformat(f"{match['month']}-01")
    if match["hours"]:
        return datetime.fromisoformat(f"{match['date']}T{match['hour']}:00")
    return datetime.fromisoformat(match["day"])


def _floor(kind: str, moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
    if kind in _HOURS_OF:
        return midnight.replace(hour=moment.hour - moment.hour % _HOURS_OF[kind])
    if kind == "weekly":
        return midnight - timedelta(days=midnight.weekday())
    return midnight.replace(day=1) if kind == "monthly" else midnight


def _shift(kind: str, first: datetime, *, count: int) -> datetime:
    if kind == "monthly":
        months = first.year * 12 + first.month - 1 + count
        return first.replace(year=months // 12, month=months % 12 + 1)
    if kind in _HOURS_OF:
        return first + timedelta(hours=count * _HOURS_OF[kind])
    return first + timedelta(days=count * (7 if kind == "weekly" else 1))


def _id(kind: str, first: datetime) -> PeriodId:
    if kind == "weekly":
        iso = first.isocalendar()
        return PeriodId(f"weekly:{iso.year:04}-W{iso.week:02}")
    shown = {"daily": "%Y-%m-%d", "monthly": "%Y-%m"}.get(kind, "%Y-%m-%dT%H")
    return PeriodId(f"{kind}:{first.strftime(shown)}")


def _first_moment_ms(local: datetime, zone: ZoneInfo | None) -> int:
    """When the zone's clock first shows `local` or more. A time that comes twice is the first of the two; one that the
    clock leaps over is found by halves between the moments that it would be by the clock before and after the leap."""
    aware = local.replace(tzinfo=zone or UTC)
    first = round(aware.timestamp())
    if zone is None or datetime.fromtimestamp(first, zone).replace(tzinfo=None, fold=0) == local:
        return first * 1000
    before, at_or_after = round(aware.replace(fold=1).timestamp()), first
    while before + 1 < at_or_after:
        middle = (before + at_or_after) // 2
        if datetime.fromtimestamp(middle, zone).replace(tzinfo=None) < local:
            before = middle
        else:
            at_or_after = middle
    return at_or_after * 1000
