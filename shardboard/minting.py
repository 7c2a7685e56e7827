"""Makes HS256 tokens with the deployment's secret: for `shardboard token`, `replay` and the demo."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import jwt

from contracts.tokens import TTL_MAX_S
from foundation.settings import TokenSettings

SERVICE_SUBJECT: Final = "service"
"""`sub` of service tokens that name none."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a token speaks for, and what it permits."""

    subject: str
    scopes: Sequence[str] = ()
    name: str | None = None


def mint(settings: TokenSettings, claims: Claims, *, ttl_s: int, now_s: int) -> str:
    """The signed token, valid until now + ttl. Raises ValueError for a ttl outside 1 s … 366 days, and where tokens are
    verified by somebody else's keys."""
    if not settings.secret:
        raise ValueError("tokens of this deployment are made by its issuer: SHARDBOARD_JWT_SECRET is not set")
    if not 1 <= ttl_s <= TTL_MAX_S:
        raise ValueError(f"ttl of {ttl_s} s must be from 1 s to {TTL_MAX_S // 86_400} days")
    payload: dict[str, Any] = {
        "iss": settings.issuer,
        "aud": settings.audience,
        "sub": claims.subject,
        "iat": now_s,
        "exp": now_s + ttl_s,
        "jti": uuid4().hex,
    }
    if claims.scopes:
        payload["scope"] = " ".join(claims.scopes)
    if claims.name is not None:
        payload["name"] = claims.name
    return jwt.encode(payload, settings.secret, algorithm="HS256")
