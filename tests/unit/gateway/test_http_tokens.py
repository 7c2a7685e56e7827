"""Tokens are verified as they say, remembered, and forgotten at their expiry."""

import re
import resource
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from contracts.ids import UserId
from contracts.problems import UNAUTHENTICATED
from contracts.tokens import LEEWAY_DEFAULT_S
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.http_token_keys import keys_of_secret
from gateway.http_tokens import TokenChecker
from gateway.problem import Problem
from gateway.token_rules import Caller
from tests.support.token_kit import compact, hs

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a-secret-of-the-unit-tests-0123456789"
NOW_MS = int(time.time() * 1000)
IAT = NOW_MS // 1000 - 5
EXP = NOW_MS // 1000 + 7_200
CLAIMS: dict[str, Any] = {"iss": "shardboard", "aud": "shardboard", "sub": "alice", "exp": EXP, "iat": IAT}


def checker(metrics: Metrics | None = None) -> TokenChecker:
    return TokenChecker(TokenSettings(SECRET, "shardboard", "shardboard"), metrics or Metrics(), cache_max=10)


def header(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> bytes:
    merged = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return b"Bearer " + jwt.encode(merged, secret, algorithm).encode()


def refusal(sent: bytes | None) -> Problem:
    answer = checker().check(sent, NOW_MS)
    assert isinstance(answer, Problem)
    assert answer.kind is UNAUTHENTICATED
    return answer


def test_a_good_token_is_a_caller_and_the_second_time_it_is_remembered() -> None:
    metrics = Metrics()
    check = checker(metrics)
    first = check.check(header(name="Alice"), NOW_MS)
    assert first == Caller(UserId("alice"), "Alice", (EXP + LEEWAY_DEFAULT_S) * 1000, issued_s=IAT)
    assert check.check(header(name="Alice"), NOW_MS) is first
    value = metrics.registry.get_sample_value
    assert value("shardboard_token_cache_total", {"result": "hit"}) == 1
    assert value("shardboard_token_cache_total", {"result": "miss"}) == 1


def test_the_token_that_the_readme_makes_is_a_caller() -> None:
    found = re.search(r"```python\n(import time, jwt.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found
    names: dict[str, Any] = {"user_id": "ada", "secret": SECRET}
    exec(found[1], names)  # noqa: S102  as its readers do
    caller = checker().check(b"Bearer " + names["token"].encode(), int(time.time() * 1000))
    assert isinstance(caller, Caller)
    assert (caller.subject, caller.name) == ("ada", "Ada")


def test_the_scheme_is_read_in_any_case() -> None:
    assert isinstance(checker().check(header().replace(b"Bearer", b"bEARER"), NOW_MS), Caller)


def test_a_remembered_token_still_expires() -> None:
    check = checker()
    caller = check.check(header(), NOW_MS)
    assert isinstance(caller, Caller)
    assert check.check(header(), caller.expires_ms - 1) is caller
    late = check.check(header(), caller.expires_ms)
    assert isinstance(late, Problem)
    assert "expired" in late.detail


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (header(exp=NOW_MS // 1000 - LEEWAY_DEFAULT_S - 1), "expired"),
        (header(exp=None), "claim exp"),
        (header(sub=None), "claim sub"),
        (header(iat=None), "claim iat"),
        (header(iss=None), "claim iss"),
        (header(aud=None), "claim aud"),
        (header(iss="other"), "another issuer"),
        (header(aud="other"), "another audience"),
        (header(sub="x" * 129), "sub must be at most 128"),
        (header(nbf=NOW_MS // 1000 + 86_400), "not valid yet"),
        (header(secret="another-secret-that-is-long-enough-000"), "not valid"),
        (header(secret=SECRET * 2, algorithm="HS512"), "not valid"),
        (header()[:-2], "not valid"),
        (header() + b"x", "not valid"),
        (b"Bearer " + jwt.encode(CLAIMS, "", "none").encode(), "not valid"),
        (b"Bearer " + b"x" * 9000, "more than 8192 bytes"),
        (b"Bearer a.b.c", "not valid"),
        (b"Bearer ", "not valid"),
        (b"Bearer \xff.\xff.\xff", "not valid"),
        (b"Basic YTpi", "bearer token"),
    ],
)
def test_other_tokens_are_refused(sent: bytes, said: str) -> None:
    problem = refusal(sent)
    assert said in problem.detail
    assert dict(problem.headers)[b"www-authenticate"].startswith(b"Bearer realm=")


def test_a_missing_token_is_asked_for_without_an_error_code() -> None:
    assert dict(refusal(None).headers)[b"www-authenticate"] == b'Bearer realm="shardboard"'
    assert b'error="invalid_token"' in dict(refusal(b"Bearer a.b.c").headers)[b"www-authenticate"]


def test_a_token_of_endless_nesting_is_refused() -> None:
    import base64

    deep = base64.urlsafe_b64encode(b"[" * 6000).rstrip(b"=")
    assert "not valid" in refusal(b"Bearer " + deep + b".e30.x").detail


def test_what_a_withdrawn_key_verified_is_refused_at_once() -> None:
    check = checker()
    assert isinstance(check.check(header(), NOW_MS), Caller)
    check.use_keys(keys_of_secret(SECRET))
    assert check.remembered == 1, "the same keys, read again"
    check.use_keys(keys_of_secret(SECRET[::-1]))
    assert isinstance(check.check(header(), NOW_MS), Problem)
    assert isinstance(check.check(header(SECRET[::-1]), NOW_MS), Caller)


def test_distinct_tokens_take_no_more_memory_than_the_bound() -> None:
    """A hundred thousand callers, a memory of a thousand: what is held is bounded, and nothing else grows."""
    check = TokenChecker(TokenSettings(SECRET, "shardboard", "shardboard"), Metrics(), cache_max=1_000)
    pages = []
    for number in range(100_000):
        sent = b"Bearer " + compact({"alg": "HS256"}, {**CLAIMS, "sub": f"user-{number}"}, sign=hs(SECRET.encode()))
        assert isinstance(check.check(sent, NOW_MS), Caller)
        if number in (20_000, 99_999):
            pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert check.remembered == 1_000
    assert (pages[1] - pages[0]) * resource.getpagesize() < 16 * 1024 * 1024
