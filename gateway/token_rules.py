"""What a verified token permits, and a bounded memory of verified tokens. Pure: http_tokens.py verifies."""

import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.ids import NAME_BYTES_MAX, UserId, user_id_fault
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY, SCOPES


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and what they may do until `expires_ms`."""

    subject: UserId
    name: str | None
    expires_ms: int
    scopes: frozenset[str] = frozenset()
    token_id: str | None = None
    """`jti`."""
    issued_s: float = 0
    """`iat`."""

    @property
    def may_write_any(self) -> bool:
        """May write actions for other users."""
        return SCOPE_WRITE_ANY in self.scopes

    @property
    def may_backfill(self) -> bool:
        """May write actions older than the accepted window."""
        return SCOPE_BACKFILL in self.scopes


_OWN_SCOPES: Final = frozenset(SCOPES)


class BadClaims(ValueError):
    """The token is genuine, but its claims cannot be used; the message says which."""


def caller_of(claims: Mapping[str, Any], *, scope_claim: str = "scope", leeway_s: int = 0) -> Caller:
    """The caller that verified claims speak of. Raises BadClaims."""
    subject = claims["sub"]
    if not isinstance(subject, str):
        raise BadClaims("sub is not text")
    fault = user_id_fault(subject)
    if fault is not None:
        raise BadClaims(f"sub {fault}")
    return Caller(
        subject=UserId(subject),
        name=display_name(claims.get("name")),
        expires_ms=int((claims["exp"] + leeway_s) * 1000),
        scopes=_OWN_SCOPES.intersection(_words(claims.get(scope_claim, ""), scope_claim)),
        token_id=claims.get("jti"),
        issued_s=claims.get("iat", 0),
    )


def _words(scope: object, claim: str) -> list[str]:
    """Space-separated text (RFC 6749 §3.3), or a list of texts, as ForgeRock and Okta write it. Others' scopes may be
    among them."""
    if isinstance(scope, str):
        return scope.split(" ")
    if isinstance(scope, list) and all(isinstance(each, str) for each in scope):
        return scope
    raise BadClaims(f"{claim} is neither space-separated text nor a list of texts")


def display_name(claim: object) -> str | None:
    """A name fit for a board, or None: a bad name is no reason to refuse an action. Too long ones are cut."""
    if not isinstance(claim, str):
        return None
    text = claim.encode(errors="ignore")[:NAME_BYTES_MAX].decode(errors="ignore").strip()
    if not text or any(unicodedata.category(char) == "Cc" for char in text):
        return None
    return text


class TokenCache:
    """Callers by digest of their whole token, least recently used first out. One owner."""

    def __init__(self, entries_max: int) -> None:
        self._entries_max = entries_max
        self._callers: OrderedDict[bytes, Caller] = OrderedDict()

    def __len__(self) -> int:
        return len(self._callers)

    def clear(self) -> None:
        """Forget everybody."""
        self._callers.clear()

    def get(self, digest: bytes, now_ms: int) -> Caller | None:
        """The caller, unless unknown or expired by now."""
        caller = self._callers.get(digest)
        if caller is None:
            return None
        if now_ms >= caller.expires_ms:
            del self._callers[digest]
            return None
        self._callers.move_to_end(digest)
        return caller

    def put(self, digest: bytes, caller: Caller) -> None:
        """Remember a verified token."""
        self._callers[digest] = caller
        if len(self._callers) > self._entries_max:
            self._callers.popitem(last=False)
