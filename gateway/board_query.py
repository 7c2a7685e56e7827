"""Reads the query of a board: which period and how many rows. Pure; the current period is found per request."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from contracts.ids import PeriodId
from contracts.periods import ALL_TIME, KINDS, BadPeriod, Period, PeriodCalendar
from contracts.problems import INVALID_FIELD, UNKNOWN_PERIOD, FieldError
from contracts.tops import GLOBAL_TOP_ROWS
from gateway.problem import Problem

LIMIT_DEFAULT: Final = 10
QUERY_BYTES_MAX: Final = 512
"""A period and a limit are 40 bytes; the rest is room for parameters that we do not know."""
_SHAPE: Final = re.compile(r"([a-z0-9_]{1,32})(:[0-9WT-]{1,16})?")


@dataclass(frozen=True, slots=True)
class BoardQuery:
    """What is asked for. `fixed` is None where the period is named by its kind: then it is the current one."""

    period: str
    limit: int
    fixed: Period | None


def parse_query(raw: bytes, calendar: PeriodCalendar) -> BoardQuery | Problem:
    """Read `period` (default all_time) and `limit` (default 10). Other parameters are ignored."""
    if len(raw) > QUERY_BYTES_MAX:
        return _invalid("", f"The query may have at most {QUERY_BYTES_MAX} bytes.")
    values: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("latin-1"), keep_blank_values=True):
        if name in values and name in ("period", "limit"):
            return _invalid(name, "is given more than once")
        values[name] = value
    limit = values.get("limit", str(LIMIT_DEFAULT))
    if not (limit.isascii() and limit.isdigit() and len(limit) <= 3 and 1 <= int(limit) <= GLOBAL_TOP_ROWS):
        return _invalid("limit", f"must be a whole number from 1 to {GLOBAL_TOP_ROWS}")
    period = values.get("period", ALL_TIME)
    fixed = parse_period(period, calendar)
    return fixed if isinstance(fixed, Problem) else BoardQuery(period, int(limit), fixed)


def unknown_period(period: str) -> Problem:
    """There is no such board here."""
    return Problem(UNKNOWN_PERIOD, f"There is no board {period!r}.")


class CurrentPeriods:
    """The current period of each kind, worked out once per period. One owner."""

    def __init__(self, calendar: PeriodCalendar) -> None:
        self._calendar = calendar
        self._known: dict[str, Period] = {}

    def current(self, kind: str, now_ms: int) -> Period:
        """The period of a configured kind that `now_ms` falls in."""
        period = self._known.get(kind)
        if period is None or not period.start_ms <= now_ms < period.end_ms:
            period = self._known[kind] = self._calendar.current(kind, now_ms)
        return period

    def resolve(self, query: BoardQuery, now_ms: int) -> PeriodId | Problem:
        """The board that is meant now. A period that has not begun is not known yet."""
        if query.fixed is None:
            return self.current(query.period, now_ms).id
        return query.fixed.id if query.fixed.start_ms <= now_ms else unknown_period(query.period)

    def period_at(self, period: str, fixed: Period | None, *, now_ms: int) -> Period | Problem:
        """As `resolve`, for the two parts of a query; the whole period."""
        if fixed is None:
            return self.current(period, now_ms)
        return fixed if fixed.start_ms <= now_ms else unknown_period(period)

    def is_current(self, period: PeriodId, now_ms: int) -> bool:
        """Whether the period goes on now."""
        return self.current(period.partition(":")[0], now_ms).id == period


def parse_period(text: str, calendar: PeriodCalendar) -> Period | Problem | None:
    """The period with this id; None where `text` is a kind, whose current period is meant."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return _invalid("period", "is not a period such as all_time, daily, weekly:2026-W48")
    kind, rest = shape.groups()
    if kind not in calendar.kinds:
        if rest is not None and kind in KINDS:
            return unknown_period(text) if _is_well_formed(text) else _invalid("period", f"{text!r} is not a period")
        return unknown_period(text)
    if rest is None and kind != ALL_TIME:
        return None
    try:
        return calendar.parse(text)
    except BadPeriod as error:
        return _invalid("period", str(error))


def _is_well_formed(text: str) -> bool:
    try:
        PeriodCalendar(",".join(KINDS)).parse(text)
    except BadPeriod:
        return False
    return True


def _invalid(name: str, detail: str) -> Problem:
    errors = (FieldError(f"#/{name}", detail),) if name else ()
    return Problem(INVALID_FIELD, f"{name} {detail}.".strip() if name else detail, errors=errors)
