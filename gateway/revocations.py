"""Which tokens no longer count although they are genuine: single ones by `jti`, a user's by `sub` and `iat`. Pure.

postgres_revocations.py feeds it. What is known stays known until it expires or is lifted, even without Postgres."""

from dataclasses import dataclass

from gateway.token_rules import Caller


@dataclass(frozen=True, slots=True)
class Revocation:
    """One row. `issued_until_s`: of a user's tokens, those issued up to then; None for a single token."""

    kind: str
    value: str
    issued_until_s: float | None
    expires_ms: int
    """From then on it has no effect; in the past: it was lifted."""


class Revocations:
    """What is revoked: as much as Postgres holds, some 200 bytes each. One owner; false while there is nothing."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._users: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._tokens) + len(self._users)

    def put(self, revocation: Revocation, now_ms: int) -> None:
        """Take over a row, the newest word about its token or user."""
        known = self._users if revocation.issued_until_s is not None else self._tokens
        if revocation.expires_ms <= now_ms:
            known.pop(revocation.value, None)
        elif revocation.issued_until_s is not None:
            self._users[revocation.value] = (revocation.issued_until_s, revocation.expires_ms)
        else:
            self._tokens[revocation.value] = revocation.expires_ms

    def covers(self, caller: Caller, now_ms: int) -> bool:
        """Whether the caller's token is revoked."""
        if caller.token_id is not None and now_ms < self._tokens.get(caller.token_id, 0):
            return True
        issued_until_s, expires_ms = self._users.get(caller.subject, (0.0, 0))
        return now_ms < expires_ms and caller.issued_s <= issued_until_s

    def drop_expired(self, now_ms: int) -> None:
        """Forget what has no effect any more."""
        self._tokens = {value: expires for value, expires in self._tokens.items() if now_ms < expires}
        self._users = {value: entry for value, entry in self._users.items() if now_ms < entry[1]}
