"""What a replay sends for a line, and what follows from each answer."""

import json
import uuid
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import problems
from contracts.counting import CountingRules
from contracts.problems import FieldError, ProblemKind, problem_body
from shardboard.cli.replay import GIVE_UP_AFTER_MAX_S
from shardboard.replay import plan
from shardboard.replay.plan import (
    Accepted,
    Answer,
    Attempt,
    GiveUp,
    NoAnswer,
    Refused,
    Retry,
    RetryRules,
    Sendable,
    Timestamps,
    TokenRefused,
    on_answer,
    prepare,
)

RULES = RetryRules()
FIRST = Attempt(count=1, waited_s=0.0, has_contact=True)
LINE = {
    "action_id": "96a2f1a1-1272-51f4-9721-ca813e7b3198",
    "user_id": "ada",
    "action": "commit",
    "timestamp": "2023-10-01T15:15:37Z",
}


def sent(
    line: Mapping[str, object] | bytes, *, number: int = 1, timestamps: Timestamps = Timestamps.NOW
) -> dict[str, object]:
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    prepared = prepare(number, raw, file_digest="d1", timestamps=timestamps)
    assert isinstance(prepared, Sendable)
    assert prepared.number == number
    body: dict[str, object] = json.loads(prepared.body)
    return body


def problem(kind: ProblemKind, *errors: FieldError, retry_after_s: float | None = None) -> Answer:
    return Answer(kind.status, problem_body(kind, "why", errors=errors), retry_after_s)


def test_now_leaves_the_timestamp_out_and_nothing_else() -> None:
    assert sent(LINE) == {name: value for name, value in LINE.items() if name != "timestamp"}


def test_keep_sends_the_line_as_it_is() -> None:
    assert sent(LINE, timestamps=Timestamps.KEEP) == LINE


def test_unknown_fields_are_left_to_the_gateway() -> None:
    assert sent({**LINE, "points": 1000})["points"] == 1000


@pytest.mark.parametrize("missing", [{}, {"action_id": None}])
def test_a_line_without_id_gets_the_same_one_each_time(missing: dict[str, object]) -> None:
    line = {"user_id": "ada", "action": "commit", **missing}
    first, again = sent(line, number=7), sent(line, number=7)
    assert first == again
    assert uuid.UUID(str(first["action_id"])).version == 5
    assert sent(line, number=8)["action_id"] != first["action_id"]
    assert plan.line_id("d2", 7) != first["action_id"]


def test_ids_of_lines_are_fixed_for_ever() -> None:
    """A changed rule would let a file that is resumed after an upgrade count twice."""
    assert plan.line_id("0" * 64, 1) == "cb93fb56-67e9-58ce-9642-2a5473d289d0"


@pytest.mark.parametrize("raw", [b"", b"\n", b"  \r\n"])
def test_blank_lines_are_not_actions(raw: bytes) -> None:
    assert prepare(1, raw, file_digest="d1", timestamps=Timestamps.NOW) is None


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"{", "not JSON"),
        (b'{"user_id": NaN}', "not JSON"),
        (b'{"user_id": "\xff"}', "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"[" * 50_000, "not JSON"),
        (b'"' + b"x" * plan.LINE_BYTES_MAX + b'"', "longer than"),
    ],
)
def test_a_line_that_is_no_action_is_refused_with_the_reason(raw: bytes, says: str) -> None:
    refused = prepare(1, raw, file_digest="d1", timestamps=Timestamps.NOW)
    assert isinstance(refused, Refused)
    assert refused.reason == plan.BAD_LINE
    assert says in refused.detail


def test_created_is_accepted() -> None:
    assert on_answer(FIRST, Answer(201, b"{}"), rules=RULES, jitter=0.5) == Accepted()


@pytest.mark.parametrize("kind", [each for each in problems.ALL if each.status not in (401, 408, 429, 500, 503)])
def test_every_other_problem_is_refused_by_its_code(kind: ProblemKind) -> None:
    outcome = on_answer(FIRST, problem(kind), rules=RULES, jitter=0.5)
    assert isinstance(outcome, Refused)
    assert outcome.reason == kind.code


def test_invalid_fields_are_named() -> None:
    answer = problem(problems.INVALID_FIELD, FieldError("#/user_id", "must not be empty"))
    assert on_answer(FIRST, answer, rules=RULES, jitter=0.5) == Refused(
        "invalid-field", "why; #/user_id must not be empty"
    )


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"type": 5}', b"\xff", b"null"])
def test_a_refusal_without_problem_document_is_named_by_its_status(body: bytes) -> None:
    outcome = on_answer(FIRST, Answer(404, body), rules=RULES, jitter=0.5)
    assert isinstance(outcome, Refused)
    assert outcome.reason == "http-404"
    assert outcome.detail


def test_an_unaccepted_token_is_no_refusal_of_the_line() -> None:
    assert on_answer(FIRST, problem(problems.UNAUTHENTICATED), rules=RULES, jitter=0.5) == TokenRefused("why")


@pytest.mark.parametrize(
    "answer",
    [
        problem(problems.LOG_UNAVAILABLE),
        problem(problems.OVERLOADED),
        problem(problems.RATE_LIMITED),
        Answer(502, b"bad gateway"),
        Answer(504),
        Answer(500),
        NoAnswer("connection reset"),
    ],
)
def test_what_says_nothing_final_is_tried_again(answer: Answer | NoAnswer) -> None:
    assert isinstance(on_answer(FIRST, answer, rules=RULES, jitter=0.5), Retry)


@given(count=st.integers(1, 100), jitter=st.floats(0, 1))
def test_pauses_double_up_to_a_bound_and_keep_half_of_it(count: int, jitter: float) -> None:
    outcome = on_answer(Attempt(count, 0.0, has_contact=True), NoAnswer("reset"), rules=RULES, jitter=jitter)
    assert isinstance(outcome, Retry)
    full_s = min(RULES.longest_s, RULES.first_s * 2.0 ** (count - 1))
    assert full_s / 2 <= outcome.after_s <= full_s


def test_retry_after_is_the_least_pause() -> None:
    outcome = on_answer(FIRST, problem(problems.OVERLOADED, retry_after_s=3.0), rules=RULES, jitter=0.0)
    assert isinstance(outcome, Retry)
    assert outcome.after_s == 3.0
    short = on_answer(
        Attempt(7, 0.0, has_contact=True), problem(problems.OVERLOADED, retry_after_s=1.0), rules=RULES, jitter=1
    )
    assert isinstance(short, Retry)
    assert short.after_s == RULES.longest_s


def test_it_gives_up_when_the_next_try_would_come_too_late() -> None:
    rules = RetryRules(give_up_after_s=10.0)
    late = Attempt(count=6, waited_s=9.0, has_contact=True)
    assert isinstance(on_answer(late, NoAnswer("reset"), rules=rules, jitter=0.0), GiveUp)
    early = Attempt(count=1, waited_s=9.0, has_contact=True)
    assert isinstance(on_answer(early, NoAnswer("reset"), rules=rules, jitter=0.0), Retry)


def test_an_address_where_nothing_ever_answered_is_given_up_sooner() -> None:
    waited_s = RULES.first_contact_s
    assert isinstance(on_answer(Attempt(5, waited_s, has_contact=False), NoAnswer("no"), rules=RULES, jitter=0), GiveUp)
    assert isinstance(on_answer(Attempt(5, waited_s, has_contact=True), NoAnswer("no"), rules=RULES, jitter=0), Retry)


def test_no_line_is_tried_longer_than_repeats_are_recognised() -> None:
    assert RULES.give_up_after_s <= GIVE_UP_AFTER_MAX_S
    assert CountingRules().window_ms > 2 * GIVE_UP_AFTER_MAX_S * 1000
