"""What a moderator's order becomes in the log, and what is no order."""

import json
from typing import Any
from uuid import UUID

import pytest

from contracts.ids import ActionId, UserId
from contracts.problems import ACTION_NOT_ARCHIVED, ACTION_NOT_COUNTED, INVALID_FIELD, MALFORMED_BODY
from contracts.record import (
    AdjustRecord,
    EraseRecord,
    HideRecord,
    Record,
    UnhideRecord,
    VoidRecord,
    decode,
)
from gateway.moderation import KINDS, ArchivedAction, Kind, Order, order, parse_order
from gateway.problem import Problem

NOW_MS = 1_795_000_000_000
ID, ACTION = UUID("9e1fa56c-95e3-4864-9795-07aa06783ee8"), UUID("70a0d9f0-28a5-4e9b-8a0e-2a1dcd9c4d55")
GOOD: dict[Kind, dict[str, Any]] = {
    "hide": {},
    "unhide": {},
    "adjust": {"points": -5},
    "void": {"action_id": str(ACTION)},
    "erase": {},
}
COUNTED = ArchivedAction(7, NOW_MS - 50, NOW_MS - 100, 30, "counted", False)


def ordered(kind: Kind, found: ArchivedAction | None = None, **more: Any) -> Order | Problem:
    data = {"user_id": "bob", "reason": "cheats", **GOOD[kind], **more}
    body = parse_order(kind, json.dumps(data).encode(), now_ms=NOW_MS, ahead_ms=60_000)
    if isinstance(body, Problem):
        return body
    return order(kind, body, by=UserId("mod"), now_ms=NOW_MS, new_id=lambda: ID, found=found)


def record_of(kind: Kind, found: ArchivedAction | None = None, **more: Any) -> Record:
    made = ordered(kind, found, **more)
    assert isinstance(made, Order)
    return decode(made.record)


COMMON: dict[str, Any] = {
    "v": 1, "id": ActionId(str(ID)), "user_id": UserId("bob"), "received_at": NOW_MS, "by": "mod", "reason": "cheats",
}  # fmt: skip


def test_each_order_is_one_record_that_says_who_and_why() -> None:
    assert record_of("hide") == HideRecord(**COMMON)
    assert record_of("unhide") == UnhideRecord(**COMMON)
    assert record_of("erase") == EraseRecord(**COMMON)
    assert record_of("adjust") == AdjustRecord(points=-5, at=NOW_MS, **COMMON)
    assert record_of("adjust", timestamp="2026-01-01T00:00:00Z") == AdjustRecord(
        points=-5, at=1_767_225_600_000, **COMMON
    )
    assert record_of("void", COUNTED) == VoidRecord(
        void_id=ActionId(str(ACTION)), void_offset=7, void_at=NOW_MS - 100, void_log_ms=NOW_MS - 50, points=30, **COMMON
    )


def test_an_order_has_the_id_that_it_is_given() -> None:
    assert record_of("hide", id=str(ACTION)).id == str(ACTION)


def test_the_points_that_move_are_told() -> None:
    moved = [made.points for made in (ordered("adjust"), ordered("void", COUNTED)) if isinstance(made, Order)]
    assert moved == [-5, -30]


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (None, ACTION_NOT_ARCHIVED),
        (ArchivedAction(7, 1, 1, 30, "repeat", False), ACTION_NOT_COUNTED),
        (ArchivedAction(7, 1, 1, 30, "capped", False), ACTION_NOT_COUNTED),
        (ArchivedAction(7, 1, 1, 30, "counted", True), ACTION_NOT_COUNTED),
    ],
)
def test_only_what_counted_is_taken_back_and_once(found: ArchivedAction | None, kind: object) -> None:
    problem = ordered("void", found)
    assert isinstance(problem, Problem)
    assert problem.kind is kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"user_id": None}, "#/user_id"),
        ({"user_id": ""}, "#/user_id"),
        ({"user_id": "é" * 65}, "#/user_id"),
        ({"user_id": "a\0"}, "#/user_id"),
        ({"reason": ""}, "#/reason"),
        ({"reason": "  \n"}, "#/reason"),
        ({"reason": "a\0"}, "#/reason"),
        ({"reason": "x" * 1_001}, "#/reason"),
        ({"reason": 5}, "#/reason"),
        ({"id": "5"}, "#/id"),
        ({"by": "somebody else"}, "#/by"),
    ],
)
def test_whom_and_why_must_be_said(kind: Kind, more: dict[str, Any], pointer: str) -> None:
    problem = ordered(kind, **more)
    assert isinstance(problem, Problem)
    assert problem.kind is INVALID_FIELD
    assert [error.pointer for error in problem.errors] == [pointer]


@pytest.mark.parametrize(
    ("kind", "more", "pointer"),
    [
        ("adjust", {"points": 0}, "#/points"),
        ("adjust", {"points": 2**53}, "#/points"),
        ("adjust", {"points": -(2**53)}, "#/points"),
        ("adjust", {"points": 1.5}, "#/points"),
        ("adjust", {"points": "5"}, "#/points"),
        ("adjust", {"timestamp": "2026-01-01T00:00:00"}, "#/timestamp"),
        ("adjust", {"timestamp": "1969-12-31T23:59:59Z"}, "#/timestamp"),
        ("adjust", {"timestamp": "2126-01-01T00:00:00Z"}, "#/timestamp"),
        ("void", {"action_id": "x"}, "#/action_id"),
        ("void", {"points": 5}, "#/points"),
        ("hide", {"points": 5}, "#/points"),
    ],
)
def test_what_else_an_order_says_is_judged(kind: Kind, more: dict[str, Any], pointer: str) -> None:
    problem = ordered(kind, **more)
    assert isinstance(problem, Problem)
    assert problem.kind is INVALID_FIELD
    assert [error.pointer for error in problem.errors] == [pointer]


def test_what_is_missing_or_no_json_is_refused() -> None:
    for kind in KINDS:
        for data, problem_kind in ((b"{", MALFORMED_BODY), (b"{}", INVALID_FIELD), (b"[]", INVALID_FIELD)):
            problem = parse_order(kind, data, now_ms=NOW_MS, ahead_ms=0)
            assert isinstance(problem, Problem)
            assert problem.kind is problem_kind
