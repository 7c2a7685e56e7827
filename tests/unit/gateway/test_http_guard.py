"""A route is behind its demands; a public one has no caller at all."""

from typing import Any

import pytest

from contracts.tokens import DEVELOPMENT_SECRET
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.access import ANYBODY, NOTHING, TOKEN, Needs
from gateway.http_answers import Receive, Scope, Send
from gateway.http_guard import caller_if_any, caller_in, guarded
from gateway.http_tokens import TokenChecker
from gateway.problem import Problem
from tests.support.running_gateway import token_for

TOKENS = TokenChecker(TokenSettings(DEVELOPMENT_SECRET, "shardboard", "shardboard"), Metrics(), cache_max=10)


async def call(token: str | None, needs: Needs = TOKEN) -> list[str]:
    """What happened, in order."""
    happened: list[str] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        caller = caller_if_any(scope)
        happened.append("nobody" if caller is None else caller.subject)
        assert caller is None or caller is caller_in(scope)

    async def refuse(send: Send, problem: Problem) -> None:
        happened.append(problem.kind.code)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    await guarded(endpoint, needs, tokens=TOKENS, refuse=refuse)({"headers": headers}, nothing, nothing)
    return happened


async def test_the_caller_is_handed_on_or_refused() -> None:
    assert await call(token_for("ada")) == ["ada"]
    assert await call(None) == ["unauthenticated"]
    assert await call("a.b.c") == ["unauthenticated"]


async def test_a_route_for_anybody_knows_who_shows_a_token_and_refuses_a_bad_one() -> None:
    assert await call(None, ANYBODY) == ["nobody"]
    assert await call(token_for("ada"), ANYBODY) == ["ada"]
    assert await call("a.b.c", ANYBODY) == ["unauthenticated"]


async def test_a_public_route_stays_as_it_is_and_knows_nobody() -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        caller_in(scope)

    async def refuse(send: Send, problem: Problem) -> None:
        raise AssertionError

    assert guarded(endpoint, NOTHING, tokens=TOKENS, refuse=refuse) is endpoint
    with pytest.raises(KeyError):
        caller_in({"headers": [(b"authorization", f"Bearer {token_for('ada')}".encode())]})
