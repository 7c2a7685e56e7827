"""Makes HS256 tokens with the deployment's secret: for `shardboard token`, `replay` and the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt

from foundation.settings import TokenSettings

TTL_MAX_S: Final = 366 * 24 * 3600
"""A year: long-lived enough for a game server's deployment, still an end."""
SERVICE_SUBJECT: Final = "service"
"""`sub` of service tokens that name none."""
_CLOCK_SKEW_S: Final = 30
"""`iat` lies this far back, so that a gateway whose clock is behind does not see a token from the future."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a token speaks for, and what it permits."""

    subject: str
    scopes: Sequence[str] = ()
    name: str | None = None


def mint(settings: TokenSettings, claims: Claims, *, ttl_s: int, now_s: int) -> str:
    """The signed token, valid until now + ttl. Raises ValueError for a ttl outside 1 s … 366 days."""
    if not 1 <= ttl_s <= TTL_MAX_S:
        raise ValueError(f"ttl of {ttl_s} s must be from 1 s to {TTL_MAX_S // 86_400} days")
    payload: dict[str, Any] = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": claims.subject,
        "iat": now_s - _CLOCK_SKEW_S,
        "exp": now_s + ttl_s,
    }
    if claims.scopes:
        payload["scope"] = " ".join(claims.scopes)
    if claims.name is not None:
        payload["name"] = claims.name
    return jwt.encode(payload, settings.secret, algorithm="HS256")
