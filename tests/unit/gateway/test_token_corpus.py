"""Every hostile token is refused, every good one accepted, for every algorithm and every source of keys."""

import time
from typing import Any

import pytest

from contracts.problems import UNAUTHENTICATED
from contracts.tokens import ALGORITHMS, LEEWAY_DEFAULT_S
from gateway.problem import Problem
from gateway.token_rules import Caller
from tests.support.hostile_tokens import hostile_tokens
from tests.support.token_kit import AUDIENCE, Verifier, verifiers

HOSTILE_MIN = 200
GOOD_MIN = 50


def good_tokens() -> list[tuple[str, Verifier, bytes]]:
    now_s = int(time.time())
    headers: list[dict[str, Any]] = [
        {}, {"typ": None}, {"typ": "at+jwt"}, {"typ": "application/at+jwt"}, {"typ": "jwt"}, {"x5t": "abc", "cty": "x"}
    ]  # fmt: skip
    changes: list[dict[str, Any]] = [
        {"aud": [AUDIENCE]}, {"aud": ["other", AUDIENCE]}, {"exp": now_s + 7_200.5}, {"nbf": now_s - 60}, {"nbf": 0},
        {"iat": now_s + LEEWAY_DEFAULT_S - 10}, {"scope": "openid moderate"}, {"scope": ["openid", "moderate"]},
        {"sub": "ünï-💡"}, {"jti": "x" * 256}, {"name": "Ada"}, {"typ": "Bearer", "azp": "app"},
        {"token_use": "access"}, {"realm_access": {"roles": ["a"]}, "acr": 1}, {"sub": "x" * 128},
    ]  # fmt: skip
    found = [(f"header {more}", by, by.token(more)) for by in verifiers() for more in headers]
    found += [(f"claims {more}", by, by.token(**more)) for by in verifiers() for more in changes]
    return found


def test_no_hostile_token_is_accepted() -> None:
    """Each is shown twice to a gateway that has just seen a good one, so that a memory of tokens cannot help it."""
    cases = hostile_tokens()
    assert len({(case.verifier.name, case.token) for case in cases}) >= HOSTILE_MIN
    accepted = []
    checkers = {by.name: by.checker() for by in verifiers()}
    for case in cases:
        check = checkers[case.verifier.name]
        assert isinstance(check.check(b"Bearer " + case.verifier.token(), _now_ms()), Caller)
        for _ in range(2):
            answer = check.check(b"Bearer " + case.token, _now_ms())
            if not (isinstance(answer, Problem) and answer.kind is UNAUTHENTICATED):
                accepted.append(case.name)
    assert accepted == []


def test_every_good_token_is_accepted() -> None:
    cases = good_tokens()
    assert len(cases) >= GOOD_MIN
    assert {by.alg for _, by, _ in cases} == set(ALGORITHMS)
    refused = []
    for idea, by, token in cases:
        answer = by.checker().check(b"Bearer " + token, _now_ms())
        if isinstance(answer, Problem):
            refused.append(f"{by.name}: {idea}: {answer.detail}")
    assert refused == []


@pytest.mark.parametrize("by", verifiers(), ids=lambda by: by.name)
def test_a_refusal_tells_a_forger_nothing(by: Verifier) -> None:
    """Whatever is wrong before the signature is right, the answer has the same words."""
    told, check = set(), by.checker()
    for case in hostile_tokens():
        if case.verifier is by and ("signature" in case.idea or "HS256 with our" in case.idea or "twice" in case.idea):
            answer = check.check(b"Bearer " + case.token, _now_ms())
            assert isinstance(answer, Problem)
            told.add(answer.detail)
    assert told == {"The token is not valid."}


def _now_ms() -> int:
    return int(time.time() * 1000)
