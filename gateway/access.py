"""What each route demands of its caller, and whether a caller brings it. Pure: http_guard.py asks at each request.

Every entry of the route table (gateway/service.py) names one of these, so no route is open by oversight."""

from dataclasses import dataclass
from typing import Final

from contracts.problems import FORBIDDEN
from contracts.tokens import SCOPE_MODERATE, SCOPE_OPERATE, SCOPE_WRITE_ANY
from gateway.problem import Problem
from gateway.token_rules import Caller


@dataclass(frozen=True, slots=True)
class Needs:
    """What a route demands. Who may act on which user is judged by the route itself, from the caller."""

    token: bool
    scope: str | None = None
    may_tell: bool = False
    """Without a token the route answers too; one that is given must be valid, and the route is told whose it is."""


NOTHING: Final = Needs(token=False)
"""Public: boards, the page, the description."""
ANYBODY: Final = Needs(token=False, may_tell=True)
"""Public, and a user sees more of himself: the place that he would have while hidden."""
TOKEN: Final = Needs(token=True)
"""Any valid token; the route limits it to the caller's own user unless a scope lets it do more."""
WRITE_ANY: Final = Needs(token=True, scope=SCOPE_WRITE_ANY)
"""Services that write for many users."""
MODERATE: Final = Needs(token=True, scope=SCOPE_MODERATE)
OPERATE: Final = Needs(token=True, scope=SCOPE_OPERATE)


def refusal(caller: Caller, needs: Needs) -> Problem | None:
    """Why this caller may not, or None (RFC 6750 §3.1 names the scope that is missing)."""
    if needs.scope is None or needs.scope in caller.scopes:
        return None
    challenge = f'Bearer realm="shardboard", error="insufficient_scope", scope="{needs.scope}"'
    return Problem(
        FORBIDDEN, f"This needs the scope {needs.scope}.", headers=((b"www-authenticate", challenge.encode()),)
    )
