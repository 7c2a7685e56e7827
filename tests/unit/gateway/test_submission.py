"""What is accepted into the log, for whom, and at which worth."""

import dataclasses
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.catalogue import parse_catalogue
from contracts.counting import CountingRules
from contracts.ids import ActionId, UserId
from contracts.problems import (
    FOREIGN_USER,
    INVALID_FIELD,
    MALFORMED_BODY,
    TICKET_EARLY,
    TICKET_EXPIRED,
    TICKET_INVALID,
    TICKET_REQUIRED,
    TIMESTAMP_OUTSIDE_WINDOW,
    UNKNOWN_ACTION,
    ProblemKind,
)
from contracts.record import ActionRecord, Limits, decode
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY
from gateway.problem import Problem
from gateway.submission import ActionBody, Submission, SubmissionRules, judge, parse_body
from gateway.tickets import give, seal
from gateway.token_rules import Caller

NOW_MS = 1_795_000_000_000
ID = UUID("9e1fa56c-95e3-4864-9795-07aa06783ee8")
TICKET_ID = UUID("70a0d9f0-28a5-4e9b-8a0e-2a1dcd9c4d55")
RULES = SubmissionRules(
    parse_catalogue(
        "[actions.commit]\npoints = 10\n[actions.rare]\npoints = 7\nlimits = { cap_per_day = 3, cooldown_s = 2 }\n"
        "[actions.quest]\npoints = 100\nticket = { after_s = 5, valid_s = 600 }\n"
    ),
    CountingRules(),
    backfill_kept_ms=5_000,
    ticket_key=b"k" * 32,
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


def quest_ticket(user: str = "alice", *, given_ms: int = NOW_MS - 60_000) -> str:
    ticket = give(RULES.catalogue["quest"], action_id=TICKET_ID, now_ms=given_ms)
    return seal(ticket, UserId(user), action="quest", key=RULES.ticket_key)


def test_a_ticket_gives_its_action_its_id_which_is_kept_until_long_after_its_end() -> None:
    record = record_of(b'{"user_id":"alice","action":"quest","ticket":"%b"}' % quest_ticket().encode())
    assert (record.id, record.points) == (str(TICKET_ID), 100)
    ends_ms = NOW_MS - 60_000 + 600_000
    assert record.keep_until == ends_ms + RULES.rules.delivery_timeout_ms + 2 * RULES.rules.clock_skew_ms


def test_one_ticket_is_good_for_one_id_only() -> None:
    """Or whoever has a ticket would send it with a new id each time."""
    body = b'{"user_id":"alice","action":"quest","ticket":"%b","action_id":"%b"}'
    same = judged(body % (quest_ticket().encode(), str(TICKET_ID).encode()))
    assert isinstance(same, Submission)
    other = judged(body % (quest_ticket().encode(), str(ID).encode()))
    assert isinstance(other, Problem)
    assert other.errors[0].pointer == "#/action_id"


@pytest.mark.parametrize(
    ("action", "ticket", "kind"),
    [
        ("quest", None, TICKET_REQUIRED),
        ("quest", "t1.AAAA.AAAA", TICKET_INVALID),
        ("quest", quest_ticket("bob"), TICKET_INVALID),
        ("quest", quest_ticket(given_ms=NOW_MS - 4_999), TICKET_EARLY),
        ("quest", quest_ticket(given_ms=NOW_MS - 600_000), TICKET_EXPIRED),
        ("commit", quest_ticket(), TICKET_INVALID),
    ],
)
def test_without_its_own_good_ticket_an_action_is_refused(action: str, ticket: str | None, kind: ProblemKind) -> None:
    body = {"user_id": "alice", "action": action} | ({} if ticket is None else {"ticket": ticket})
    problem = judged(json.dumps(body).encode())
    assert isinstance(problem, Problem)
    assert problem.kind is kind
    assert [error.pointer for error in problem.errors] == ["#/ticket"]


def test_a_game_server_brings_the_ticket_of_its_user() -> None:
    body = b'{"user_id":"bob","action":"quest","ticket":"%b"}' % quest_ticket("bob").encode()
    assert record_of(body, SERVER).user_id == "bob"


GOOD_BODIES = [
    b'{"user_id":"alice","action":"commit"}',
    b'{"user_id":"alice","action":"rare","timestamp":"%b","action_id":"%b"}' % (at(NOW_MS).encode(), str(ID).encode()),
    b'{"user_id":"alice","action":"quest","ticket":"%b"}' % quest_ticket().encode(),
]
EDITS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.binary(min_size=1, max_size=6)), max_size=4)
MEMBERS = st.dictionaries(
    st.sampled_from(["points", "score", "amount", "multiplier", "limits", "keep_until", "kind", "v", "at", "name"]),
    st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=5), st.none()),
    max_size=3,
)


def edited(body: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    for place, removed, piece in edits:
        start = place % (len(body) + 1)
        body = body[:start] + piece + body[start + removed :]
    return body


@settings(max_examples=1_000)
@given(st.sampled_from(GOOD_BODIES), EDITS, st.sampled_from([ALICE, SERVER, BACKFILLER]))
def test_no_byte_of_a_body_changes_the_points(body: bytes, edits: list[tuple[int, int, bytes]], caller: Caller) -> None:
    """Whatever is sent: it is refused, or the record has the catalogue's points and limits of the action it names."""
    result = judged(edited(body, edits), caller)
    if isinstance(result, Submission):
        assert_priced_by_the_catalogue(result)


@given(st.sampled_from(GOOD_BODIES), MEMBERS)
def test_no_member_of_a_body_changes_the_points(body: bytes, members: dict[str, object]) -> None:
    result = judged(json.dumps({**json.loads(body), **members}).encode())
    assert isinstance(result, Submission) == (not members)


def assert_priced_by_the_catalogue(submission: Submission) -> None:
    record = decode(submission.record)
    assert isinstance(record, ActionRecord)
    entry = RULES.catalogue[record.action]
    assert (record.points, submission.points) == (entry.points, entry.points)
    limits = None if entry.limits is None else Limits(entry.limits.cap_per_day, entry.limits.cooldown_ms)
    assert record.limits == limits
    assert (record.action == "quest") == (record.id == str(TICKET_ID))
