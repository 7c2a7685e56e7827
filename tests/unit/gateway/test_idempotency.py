"""One key of one caller means one request; what the store holds of it says what to answer."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import UserId
from contracts.problems import (
    IDEMPOTENCY_CONFLICT,
    IDEMPOTENCY_MISMATCH,
    IDEMPOTENCY_UNAVAILABLE,
    INVALID_FIELD,
    ProblemKind,
)
from contracts.tokens import SCOPE_BACKFILL, SCOPE_MODERATE, SCOPE_WRITE_ANY
from gateway.idempotency import (
    KEY_PATTERN,
    KeyedRequest,
    Remembered,
    earlier_answer,
    encode,
    is_final,
    needs_store,
    parse_key,
)
from gateway.problem import Problem
from gateway.token_rules import Caller

ANN, BOB = UserId("ann"), UserId("bob")


def request(header: bytes = b"k", *, caller: UserId = ANN, path: str = "/actions", body: bytes = b"{}") -> KeyedRequest:
    parsed = parse_key(caller, header, path=path, body=body)
    assert isinstance(parsed, KeyedRequest)
    return parsed


def test_quoted_and_bare_are_the_same_key() -> None:
    assert request(b'"8e03978e-40d5"') == request(b"8e03978e-40d5")
    assert request(rb'"a\"b\\c"').key == 'a"b\\c'


@pytest.mark.parametrize(
    "header",
    [
        *(b"", b'""', b'"a', b'a"', b"a,b", b'"a","b"', b"a b", b"a\x7f", b"\xc3\xa9", b'"\xff"', rb'"\a"'),
        *(b"x" * 256, b'"' + b"x" * 256 + b'"'),
    ],
)
def test_what_is_no_key_is_refused(header: bytes) -> None:
    problem = parse_key(ANN, header, path="/actions", body=b"{}")
    assert isinstance(problem, Problem)
    assert problem.kind is INVALID_FIELD


@given(st.text(max_size=5), st.text("ab", min_size=1), st.text(max_size=5), st.text("ab", min_size=1))
def test_a_key_is_its_callers_own(caller: str, key: str, other_caller: str, other_key: str) -> None:
    one = KeyedRequest(UserId(caller), key, b"d")
    two = KeyedRequest(UserId(other_caller), other_key, b"d")
    is_same = (caller, key) == (other_caller, other_key)
    assert (one.place == two.place) == is_same
    assert (one.action_id == two.action_id) == is_same


def test_its_id_is_a_uuid_of_version_8_that_the_store_does_not_tell() -> None:
    made = request()
    assert (made.action_id.version, made.action_id.variant) == (8, "specified in RFC 4122")
    assert re.fullmatch("[0-9a-f]{32}", made.place)
    assert made.action_id.hex != made.place


@pytest.mark.parametrize(
    ("other", "status", "kind"),
    [
        (request(), 0, IDEMPOTENCY_CONFLICT),
        (request(body=b"{ }"), 0, IDEMPOTENCY_MISMATCH),
        (request(body=b"{ }"), 201, IDEMPOTENCY_MISMATCH),
        (request(path="/moderation/adjust"), 201, IDEMPOTENCY_MISMATCH),
    ],
)
def test_a_key_that_is_there_refuses(other: KeyedRequest, status: int, kind: ProblemKind) -> None:
    problem = earlier_answer(encode(Remembered(request().digest, b"run", status)), other)
    assert isinstance(problem, Problem)
    assert problem.kind is kind


def test_an_answer_that_is_there_is_given_again() -> None:
    answer = Remembered(request().digest, b"run", 201, ((b"content-type", b"application/json"),), b"{}")
    assert earlier_answer(encode(answer), request()) == answer


def test_what_cannot_be_read_is_no_answer() -> None:
    problem = earlier_answer(b"\xc1", request())
    assert isinstance(problem, Problem)
    assert problem.kind is IDEMPOTENCY_UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "headers", "final"),
    [(201, (), True), (422, (), True), (422, ((b"retry-after", b"5"),), False), (500, (), False), (503, (), False)],
)
def test_only_what_is_done_is_kept(status: int, headers: tuple[tuple[bytes, bytes], ...], final: bool) -> None:
    assert is_final(status, headers) == final


@pytest.mark.parametrize(
    ("scopes", "needs"),
    [((), False), ((SCOPE_BACKFILL,), False), ((SCOPE_WRITE_ANY,), True), ((SCOPE_MODERATE,), True)],
)
def test_who_acts_for_others_needs_the_store(scopes: tuple[str, ...], needs: bool) -> None:
    assert needs_store(Caller(ANN, None, 1, frozenset(scopes))) == needs


@given(st.text(st.characters(codec="latin-1"), max_size=6))
def test_what_the_description_allows_is_what_is_taken(header: str) -> None:
    taken = isinstance(parse_key(ANN, header.encode("latin-1"), path="/", body=b""), KeyedRequest)
    assert taken == (re.search(KEY_PATTERN, header) is not None and not header.endswith("\n"))
