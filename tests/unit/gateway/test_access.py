"""A scope is demanded, its absence is named, and a token without demands needs none."""

import pytest

from contracts.ids import UserId
from contracts.problems import FORBIDDEN
from gateway.access import MODERATE, OPERATE, TOKEN, Needs, refusal
from gateway.token_rules import Caller


@pytest.mark.parametrize("needs", [MODERATE, OPERATE])
def test_a_missing_scope_is_named(needs: Needs) -> None:
    problem = refusal(Caller(UserId("a"), None, 1, frozenset({"actions:write:any"})), needs)
    assert problem is not None
    assert problem.kind is FORBIDDEN
    (challenge,) = problem.headers
    assert challenge[1] == f'Bearer realm="shardboard", error="insufficient_scope", scope="{needs.scope}"'.encode()


@pytest.mark.parametrize("needs", [TOKEN, MODERATE])
def test_who_brings_it_is_let_in(needs: Needs) -> None:
    assert refusal(Caller(UserId("a"), None, 1, frozenset({"moderate"})), needs) is None
