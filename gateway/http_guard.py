"""Stands in front of each route that is not public: checks token, rate and scope, then hands the caller on.

The route decides, never the request's path: the table is looked up first, and what it found is guarded."""

from collections.abc import Awaitable, Callable
from typing import Final

from contracts.clock import monotonic_s, now_ms
from gateway.access import Needs, refusal
from gateway.http_answers import Endpoint, Receive, Scope, Send, header_of
from gateway.http_tokens import TokenChecker, UnknownKey
from gateway.http_untasked import in_task
from gateway.problem import Problem
from gateway.request_limits import UNLIMITED, RequestLimits
from gateway.token_rules import Caller

Refuse = Callable[[Send, Problem], Awaitable[None]]
_CALLER: Final = "shardboard.caller"


def guarded(
    endpoint: Endpoint, needs: Needs, *, tokens: TokenChecker, refuse: Refuse, limits: RequestLimits = UNLIMITED
) -> Endpoint:
    """The endpoint behind its demands; the endpoint itself where there are none."""
    if not needs.token and not needs.may_tell:
        return endpoint

    async def check_first(scope: Scope, receive: Receive, send: Send) -> None:
        header = header_of(scope, b"authorization")
        if header is None and not needs.token:
            problem = limits.refusal(scope, None, now_s=monotonic_s())
            return await (refuse(send, problem) if problem is not None else endpoint(scope, receive, send))
        caller = tokens.check(header, now_ms())
        if isinstance(caller, UnknownKey):
            await in_task()
            caller = await tokens.check_renewed(header)
        if isinstance(caller, Problem):
            return await refuse(send, limits.refusal(scope, None, now_s=monotonic_s()) or caller)
        problem = limits.refusal(scope, caller, now_s=monotonic_s()) or refusal(caller, needs)
        if problem is not None:
            return await refuse(send, problem)
        scope[_CALLER] = caller
        return await endpoint(scope, receive, send)

    return check_first


def caller_in(scope: Scope) -> Caller:
    """Who calls a guarded route. Raises KeyError on a public one: nobody was checked there."""
    caller: Caller = scope[_CALLER]
    return caller


def caller_if_any(scope: Scope) -> Caller | None:
    """Who calls, on a route where a token is not needed."""
    return scope.get(_CALLER)
