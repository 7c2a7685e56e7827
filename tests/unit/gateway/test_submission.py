"""What is accepted into the log, for whom, and at which worth."""

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.catalogue import parse_catalogue
from contracts.counting import CountingRules
from contracts.ids import ActionId, UserId
from contracts.problems import (
    FOREIGN_USER,
    INVALID_FIELD,
    MALFORMED_BODY,
    TIMESTAMP_OUTSIDE_WINDOW,
    UNKNOWN_ACTION,
    ProblemKind,
)
from contracts.record import ActionRecord, Limits, decode
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
from gateway.problem import Problem
from gateway.submission import ActionBody, Submission, SubmissionRules, judge, parse_body
from gateway.token_rules import Caller

NOW_MS = 1_795_000_000_000
ID = UUID("9e1fa56c-95e3-4864-9795-07aa06783ee8")
RULES = SubmissionRules(
    parse_catalogue(
        "[actions.commit]\npoints = 10\n[actions.rare]\npoints = 7\nlimits = { cap_per_day = 3, cooldown_s = 2 }\n"
    ),
    CountingRules(),
    backfill_kept_ms=5_000,
)
ALICE = Caller(UserId("alice"), "Alice", NOW_MS + 1)
SERVER = Caller(UserId("server"), "The server", NOW_MS + 1, frozenset({SCOPE_WRITE_ANY}))
BACKFILLER = dataclasses.replace(SERVER, scopes=frozenset({SCOPE_WRITE_ANY, SCOPE_BACKFILL}))


def judged(body: bytes, caller: Caller = ALICE) -> Submission | Problem:
    parsed = parse_body(body)
    return (
        parsed if isinstance(parsed, Problem) else judge(parsed, caller, now_ms=NOW_MS, rules=RULES, new_id=lambda: ID)
    )


def record_of(body: bytes, caller: Caller = ALICE) -> ActionRecord:
    submission = judged(body, caller)
    assert isinstance(submission, Submission)
    record = decode(submission.record)
    assert isinstance(record, ActionRecord)
    return record


def at(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_the_server_decides_points_time_and_id() -> None:
    assert record_of(b'{"user_id":"alice","action":"commit"}') == ActionRecord(
        v=1,
        id=ActionId(str(ID)),
        user_id=UserId("alice"),
        received_at=NOW_MS,
        action="commit",
        points=10,
        at=NOW_MS,
        name="Alice",
    )


def test_limits_of_the_catalogue_travel_with_the_action() -> None:
    assert record_of(b'{"user_id":"alice","action":"rare"}').limits == Limits(cap_per_day=3, cooldown_ms=2_000)


def test_an_id_is_kept_in_its_canonical_form() -> None:
    upper = str(ID).upper().encode()
    submission = judged(b'{"user_id":"alice","action":"commit","action_id":"%b"}' % upper)
    assert isinstance(submission, Submission)
    assert submission.action_id == str(ID)


def test_only_the_scope_writes_for_others_and_then_without_the_caller_s_name() -> None:
    refused = judged(b'{"user_id":"bob","action":"commit"}')
    assert isinstance(refused, Problem)
    assert refused.kind is FOREIGN_USER
    assert record_of(b'{"user_id":"bob","action":"commit"}', SERVER).name is None


@pytest.mark.parametrize(
    ("body", "kind", "pointer"),
    [
        (b"", MALFORMED_BODY, None),
        (b"{", MALFORMED_BODY, None),
        (b'{"user_id":NaN,"action":"commit"}', MALFORMED_BODY, None),
        (b'{"user_id":"\xff","action":"commit"}', MALFORMED_BODY, None),
        (b'{"user_id":"\\ud800","action":"commit"}', MALFORMED_BODY, None),
        (b'{"user_id":"\xed\xa0\x80","action":"commit"}', MALFORMED_BODY, None),
        (b'{"user_id":"a\x00","action":"commit"}', MALFORMED_BODY, None),
        (b'{"user_id":"a","action":"commit"} {}', MALFORMED_BODY, None),
        (b"[" * 10_000, INVALID_FIELD, "#"),
        (b'"text"', INVALID_FIELD, "#"),
        (b'{"action":"commit"}', INVALID_FIELD, "#/user_id"),
        (b'{"user_id":"alice"}', INVALID_FIELD, "#/action"),
        (b'{"user_id":"alice","action":"commit","points":99}', INVALID_FIELD, "#/points"),
        (b'{"user_id":5,"action":"commit"}', INVALID_FIELD, "#/user_id"),
        (b'{"user_id":"alice","action":null}', INVALID_FIELD, "#/action"),
        (b'{"user_id":"","action":"commit"}', INVALID_FIELD, "#/user_id"),
        (b'{"user_id":"' + b"x" * 129 + b'","action":"commit"}', INVALID_FIELD, "#/user_id"),
        ('{"user_id":"' + "é" * 65 + '","action":"commit"}', INVALID_FIELD, "#/user_id"),
        (b'{"user_id":"a\\u0000b","action":"commit"}', INVALID_FIELD, "#/user_id"),
        (b'{"user_id":"alice","action":"commit","action_id":"nope"}', INVALID_FIELD, "#/action_id"),
        (b'{"user_id":"alice","action":"commit","timestamp":"2026-11-24T00:00:00"}', INVALID_FIELD, "#/timestamp"),
        (b'{"user_id":"alice","action":"commit","timestamp":1795000000}', INVALID_FIELD, "#/timestamp"),
        (b'{"user_id":"alice","action":"commit","timestamp":"2026-02-30T00:00:00Z"}', INVALID_FIELD, "#/timestamp"),
        (b'{"user_id":"alice","action":"dance"}', UNKNOWN_ACTION, None),
        (b'{"user_id":"alice","action":"Commit"}', UNKNOWN_ACTION, None),
    ],
)
def test_bad_bodies_are_refused(body: bytes | str, kind: ProblemKind, pointer: str | None) -> None:
    problem = judged(body.encode() if isinstance(body, str) else body)
    assert isinstance(problem, Problem)
    assert problem.kind is kind
    assert [error.pointer for error in problem.errors] == ([pointer] if pointer else [])


@pytest.mark.parametrize(
    "body",
    [
        b'{"user_id":"bob","user_id":"alice","action":"commit"}',
        b'{"\\u0075ser_id":"bob","user_id":"alice","action":"commit"}',
        b'{"user_id":"alice","action":"a\\"b","action":"commit"}',
    ],
)
def test_a_member_given_twice_is_refused(body: bytes) -> None:
    problem = judged(body)
    assert isinstance(problem, Problem)
    assert problem.kind is INVALID_FIELD
    assert problem.errors[0].detail == "is given more than once"


def test_quotes_and_escapes_in_values_are_no_repetition() -> None:
    body = b'{"user_id":"\\"user_id\\":\\u0061","action":"commit"}'
    assert parse_body(body) == ActionBody('"user_id":a', "commit")


@given(st.text(min_size=1, max_size=40), st.booleans())
def test_every_good_user_id_comes_through_unchanged(user_id: str, is_escaped: bool) -> None:
    import json

    text = json.dumps({"user_id": user_id, "action": "commit"}, ensure_ascii=is_escaped)
    try:
        data = text.encode()
    except UnicodeEncodeError:  # a lone surrogate has no bytes
        return
    parsed = parse_body(data)
    if len(user_id.encode(errors="surrogatepass")) <= 128 and user_id.isprintable():
        assert parsed == ActionBody(user_id, "commit")


@pytest.mark.parametrize(("off_ms", "is_good"), [(-600_000, True), (-600_001, False), (60_000, True), (60_001, False)])
def test_the_window_of_timestamps_is_exact(off_ms: int, is_good: bool) -> None:
    result = judged(f'{{"user_id":"alice","action":"commit","timestamp":"{at(NOW_MS + off_ms)}"}}'.encode())
    assert isinstance(result, Submission) == is_good
    if isinstance(result, Problem):
        assert result.kind is TIMESTAMP_OUTSIDE_WINDOW
        assert result.errors[0].pointer == "#/timestamp"


def test_backfill_writes_old_actions_whose_ids_are_kept_longer() -> None:
    old = record_of(b'{"user_id":"u","action":"commit","timestamp":"2023-10-01T12:00:00.250+02:00"}', BACKFILLER)
    assert old.at == 1_696_154_400_250
    assert old.keep_until == NOW_MS + 5_000
    assert record_of(b'{"user_id":"u","action":"commit"}', BACKFILLER).keep_until is None


@pytest.mark.parametrize("stamp", ["1969-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_even_backfill_stays_between_1970_and_now(stamp: str) -> None:
    result = judged(f'{{"user_id":"u","action":"commit","timestamp":"{stamp}"}}'.encode(), BACKFILLER)
    assert isinstance(result, Problem)
    assert result.kind is TIMESTAMP_OUTSIDE_WINDOW
