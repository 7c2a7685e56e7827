"""What the queries of the reading routes mean, and which are refused; HTTP's share is in test_http_reads.py."""

import pytest

from contracts.ids import UserId
from contracts.periods import PeriodCalendar
from gateway.problem import Problem
from gateway.read_queries import (
    AroundQuery,
    PeriodsQuery,
    Target,
    WalkQuery,
    is_walking,
    parse_around_query,
    parse_periods_query,
    parse_rank_query,
    parse_ranks_body,
    parse_walk_query,
)

CALENDAR = PeriodCalendar("all_time,daily")
ALL = CALENDAR.parse("all_time")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", WalkQuery(Target("all_time", ALL), 10)),
        (b"rank=7&limit=3&period=daily", WalkQuery(Target("daily", None), 3, rank=7)),
        (b"score=-5", WalkQuery(Target("all_time", ALL), 10, score=-5)),
        (b"cursor=abc", WalkQuery(None, 10, cursor="abc")),
        (b"cursor=abc&period=daily", WalkQuery(Target("daily", None), 10, cursor="abc")),
        (
            b"users=a,b%2Cc,a+d,a",
            WalkQuery(Target("all_time", ALL), 10, users=(UserId("a"), UserId("b,c"), UserId("a d"))),
        ),
        (b"other=1&rank=1", WalkQuery(Target("all_time", ALL), 10, rank=1)),
    ],
)
def test_where_a_page_begins(raw: bytes, expected: WalkQuery) -> None:
    assert parse_walk_query(raw, CALENDAR) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"rank=1&cursor=x",
        b"rank=1&rank=2",
        b"rank=",
        b"rank=-1",
        b"rank=1e3",
        b"score=--1",
        b"score=",
        b"score=1&limit=x",
        b"cursor=" + b"x" * 513,
        b"users=a,%00",
        b"users=" + b"a" * 129,
        b"rank=1&period=nothing:",
        b"rank=1&" + b"x" * 16_384,
    ],
)
def test_what_is_not_clear_is_refused(raw: bytes) -> None:
    assert isinstance(parse_walk_query(raw, CALENDAR), Problem)


def test_only_four_parameters_lead_away_from_memory() -> None:
    assert [is_walking(raw) for raw in (b"", b"period=daily&limit=3", b"ranks=1", b"xrank=1")] == [False] * 4
    assert all(is_walking(raw) for raw in (b"rank=1", b"limit=1&cursor=x", b"score=1", b"users", b"users=a"))


def test_neighbours_ranks_and_periods() -> None:
    assert parse_around_query(b"", CALENDAR) == AroundQuery(Target("all_time", ALL), 5, 5)
    assert parse_around_query(b"before=0&after=50&period=daily", CALENDAR) == AroundQuery(Target("daily", None), 0, 50)
    assert parse_rank_query(b"period=daily&before=x", CALENDAR) == Target("daily", None)
    assert parse_periods_query(b"") == PeriodsQuery(31)
    assert parse_periods_query(b"kind=daily&before=daily:2026-01-01&limit=366") == PeriodsQuery(
        366, "daily", "daily:2026-01-01"
    )


def test_friends_are_asked_for_once_each() -> None:
    body = b'{"users":["b","a","b"],"period":"daily"}'
    assert parse_ranks_body(body, CALENDAR) == (Target("daily", None), (UserId("b"), UserId("a")))
    refused = parse_ranks_body(b'{"users":["a","' + "ü".encode() * 65 + b'"]}', CALENDAR)
    assert isinstance(refused, Problem)
    assert refused.errors[0].pointer == "#/users/1"
