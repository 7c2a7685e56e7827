"""What claims permit, and what the memory of tokens may hold."""

from typing import Any

import pytest

from contracts.ids import UserId
from gateway.token_rules import BadClaims, Caller, TokenCache, caller_of, display_name


def caller(subject: str = "a", *, expires_ms: int = 1_000) -> Caller:
    return Caller(UserId(subject), None, expires_ms)


def test_scopes_are_whole_words() -> None:
    made = caller_of({"sub": "a", "exp": 7, "scope": "actions:write:any moderate"})
    assert made == Caller(UserId("a"), None, 7_000, frozenset({"actions:write:any", "moderate"}))
    assert (made.may_write_any, made.may_backfill) == (True, False)
    assert not caller_of({"sub": "a", "exp": 7, "scope": "actions:write:anything"}).may_write_any


@pytest.mark.parametrize("scope", ["openid operate", ["openid", "operate"]])
def test_scopes_are_text_or_a_list_among_those_of_others(scope: object) -> None:
    assert caller_of({"sub": "a", "exp": 7, "permissions": scope}, scope_claim="permissions").scopes == {"operate"}


@pytest.mark.parametrize(
    "claims",
    [{"sub": ""}, {"sub": 5}, {"sub": "a\0"}, {"sub": "x" * 129}, {"sub": "\ud800"}, {"sub": "a", "scope": [1]}],
)
def test_claims_that_cannot_be_a_user_are_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(BadClaims):
        caller_of({"exp": 7, **claims})


@pytest.mark.parametrize(
    ("claim", "name"),
    [("Ada", "Ada"), ("  Ada ", "Ada"), ("", None), (" ", None), (7, None), ("A\nB", None), ("\ud800x", "x")],
)
def test_a_bad_name_is_dropped_not_refused(claim: object, name: str | None) -> None:
    assert display_name(claim) == name


def test_a_long_name_is_cut_between_characters() -> None:
    assert display_name("é" * 200) == "é" * 128
    assert display_name("x" + "é" * 200) == "x" + "é" * 127


def test_an_expired_caller_is_forgotten() -> None:
    cache = TokenCache(10)
    cache.put(b"t", caller(expires_ms=1_000))
    assert cache.get(b"t", 999) is not None
    assert cache.get(b"t", 1_000) is None
    assert len(cache) == 0


def test_the_least_recently_used_token_goes_first() -> None:
    cache = TokenCache(2)
    cache.put(b"a", caller("a"))
    cache.put(b"b", caller("b"))
    assert cache.get(b"a", 0) is not None
    cache.put(b"c", caller("c"))
    assert (cache.get(b"a", 0), cache.get(b"b", 0)) == (caller("a"), None)
    assert len(cache) == 2
