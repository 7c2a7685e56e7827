"""What a verified token permits, and a bounded memory of verified tokens. Pure: http_tokens.py verifies."""

import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contracts.ids import NAME_BYTES_MAX, UserId, user_id_fault
from contracts.tokens import SCOPE_BACKFILL, SCOPE_WRITE_ANY, SCOPES


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, and what they may do until `expires_ms`."""

    subject: UserId
    name: str | None
    expires_ms: int
    scopes: frozenset[str] = frozenset()

    @property
    def may_write_any(self) -> bool:
        """May write actions for other users."""
        return SCOPE_WRITE_ANY in self.scopes

    @property
    def may_backfill(self) -> bool:
        """May write actions older than the accepted window."""
        return SCOPE_BACKFILL in self.scopes


class BadClaims(ValueError):
    """The token is genuine, but its claims cannot be used; the message says which."""


def caller_of(claims: Mapping[str, Any]) -> Caller:
    """The caller that verified claims speak of. Raises BadClaims."""
    subject = claims["sub"]
    if not isinstance(subject, str):
        raise BadClaims("sub is not text")
    fault = user_id_fault(subject)
    if fault is not None:
        raise BadClaims(f"sub {fault}")
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise BadClaims("scope is not space-separated text")
    return Caller(
        subject=UserId(subject),
        name=display_name(claims.get("name")),
        expires_ms=int(claims["exp"]) * 1000,
        scopes=frozenset(SCOPES).intersection(scope.split(" ")),
    )


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
