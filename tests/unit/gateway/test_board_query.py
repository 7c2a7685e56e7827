"""Which board a query means, and which queries mean none."""

import pytest

from contracts.periods import PeriodCalendar
from contracts.problems import INVALID_FIELD, UNKNOWN_PERIOD, ProblemKind
from gateway.board_query import BoardQuery, CurrentPeriods, parse_query
from gateway.problem import Problem

CALENDAR = PeriodCalendar("all_time,daily,weekly")
NOON_MS = 1_795_521_600_000  # 2026-11-24T12:00:00Z
DAY_MS = 86_400_000


def resolved(raw: bytes, now_ms: int = NOON_MS) -> str | ProblemKind:
    query = parse_query(raw, CALENDAR)
    board = query if isinstance(query, Problem) else CurrentPeriods(CALENDAR).resolve(query, now_ms)
    return board.kind if isinstance(board, Problem) else board


@pytest.mark.parametrize(
    ("raw", "meant"),
    [
        (b"", "all_time"),
        (b"period=all_time", "all_time"),
        (b"period=daily", "daily:2026-11-24"),
        (b"period=weekly&limit=3", "weekly:2026-W48"),
        (b"period=daily%3A2026-11-23&utm=x&utm=y", "daily:2026-11-23"),
        (b"period=daily:2026-11-25", UNKNOWN_PERIOD),
        (b"period=daily:9998-12-30", UNKNOWN_PERIOD),
        (b"period=monthly", UNKNOWN_PERIOD),
        (b"period=monthly:2026-11", UNKNOWN_PERIOD),
        (b"period=yearly", UNKNOWN_PERIOD),
        (b"period=every6h:2026-11-24T06", UNKNOWN_PERIOD),
        (b"period=every6h:2026-11-24T07", INVALID_FIELD),
        (b"period=monthly:2026-13", INVALID_FIELD),
        (b"period=daily:2026-02-30", INVALID_FIELD),
        (b"period=daily:2026-W48", INVALID_FIELD),
        (b"period=weekly:2026-W54", INVALID_FIELD),
        (b"period=", INVALID_FIELD),
        (b"period=%00", INVALID_FIELD),
        (b"period=DAILY", INVALID_FIELD),
        (b"period=all_time:1", INVALID_FIELD),
        (b"period=daily&period=weekly", INVALID_FIELD),
        (b"x=" + b"y" * 600, INVALID_FIELD),
    ],
)
def test_periods(raw: bytes, meant: str | ProblemKind) -> None:
    assert resolved(raw) == meant


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.0", "ten", "", "%EF%BC%91", "1000000000000", "+5", "1&limit=2"])
def test_a_bad_limit_is_named(limit: str) -> None:
    problem = parse_query(f"limit={limit}".encode(), CALENDAR)
    assert isinstance(problem, Problem)
    assert problem.kind is INVALID_FIELD
    assert problem.errors[0].pointer == "#/limit"


@pytest.mark.parametrize("limit", [1, 10, 100])
def test_limits_up_to_the_rows_of_a_board(limit: int) -> None:
    query = parse_query(b"limit=%d" % limit, CALENDAR)
    assert isinstance(query, BoardQuery)
    assert query.limit == limit


def test_a_kind_follows_the_clock_across_midnight_both_ways() -> None:
    periods = CurrentPeriods(CALENDAR)
    midnight_ms = NOON_MS + DAY_MS // 2
    found = [periods.current("daily", midnight_ms + off).id for off in (-1, 0, -1)]
    assert found == ["daily:2026-11-24", "daily:2026-11-25", "daily:2026-11-24"]
    assert periods.is_current(found[0], NOON_MS)
    assert not periods.is_current(found[1], NOON_MS)
