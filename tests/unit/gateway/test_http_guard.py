"""A route is behind its demands; a public one has no caller at all."""

from typing import Any

import pytest

from contracts.tokens import DEVELOPMENT_SECRET
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.access import NOTHING, TOKEN
from gateway.http_answers import Receive, Scope, Send
from gateway.http_guard import caller_in, guarded
from gateway.http_tokens import TokenChecker
from gateway.problem import Problem
from tests.support.running_gateway import token_for

TOKENS = TokenChecker(TokenSettings(DEVELOPMENT_SECRET, "shardboard", "shardboard"), Metrics(), cache_max=10)


async def call(token: str | None) -> list[str]:
    """What happened, in order."""
    happened: list[str] = []

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        happened.append(caller_in(scope).subject)

    async def refuse(send: Send, problem: Problem) -> None:
        happened.append(problem.kind.code)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    await guarded(endpoint, TOKEN, tokens=TOKENS, refuse=refuse)({"headers": headers}, nothing, nothing)
    return happened


async def test_the_caller_is_handed_on_or_refused() -> None:
    assert await call(token_for("ada")) == ["ada"]
    assert await call(None) == ["unauthenticated"]
    assert await call("a.b.c") == ["unauthenticated"]


async def test_a_public_route_stays_as_it_is_and_knows_nobody() -> None:
    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        caller_in(scope)

    async def refuse(send: Send, problem: Problem) -> None:
        raise AssertionError

    assert guarded(endpoint, NOTHING, tokens=TOKENS, refuse=refuse) is endpoint
    with pytest.raises(KeyError):
        caller_in({"headers": [(b"authorization", f"Bearer {token_for('ada')}".encode())]})
