"""Verifies bearer tokens and remembers the verified ones. Signatures are PyJWT's work; form and claims are judged by
token_form.py and token_claims.py, keys are http_token_keys.py's."""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Final

from contracts.clock import now_ms
from contracts.metric_names import TOKEN_CACHE, TOKENS_REVOKED
from contracts.problems import KEYS_UNAVAILABLE, UNAUTHENTICATED
from contracts.tokens import TOKEN_BYTES_MAX
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.http_token_keys import KeySet, UnknownKid, keys_of_pem, keys_of_secret
from gateway.problem import Problem
from gateway.revocations import Revocations
from gateway.token_claims import ClaimRules, judge_claims
from gateway.token_form import BadForm, read_form, strict_object
from gateway.token_rules import BadClaims, Caller, TokenCache

_DIGEST_BYTES: Final = 16
_CHALLENGE: Final = b'Bearer realm="shardboard"'
_RETRY_AFTER: Final = (b"retry-after", b"2")
"""So often the keys are looked for while there are none."""


class UnknownKey(Problem):
    """A refusal that other keys might lift: the token names one that is not known."""


class TokenChecker:
    """Checks the Authorization header of a request. One owner."""

    def __init__(
        self, settings: TokenSettings, metrics: Metrics, *, cache_max: int, revoked: Revocations | None = None
    ) -> None:
        """Read the secret or the PEM key; a JWK Set comes by `use_keys`. Raises BadKeys."""
        self._rules = ClaimRules(settings.issuer, settings.audience, settings.leeway_s, settings.scope_claim)
        self._cache = TokenCache(cache_max)
        self._revoked = Revocations() if revoked is None else revoked
        self.renew: Callable[[], Awaitable[None]] | None = None
        """Looks for the issuer's new keys, where they are published; sets them by `use_keys`."""
        self._keys: KeySet | None = None
        if settings.public_key_pem:
            self._keys = keys_of_pem(settings.public_key_pem, settings.algorithms)
        elif not settings.jwks:
            self._keys = keys_of_secret(settings.secret)
        results = metrics.counter(TOKEN_CACHE)
        self._hits, self._misses = results.labels("hit"), results.labels("miss")
        self._refused_revoked = metrics.counter(TOKENS_REVOKED)

    @property
    def remembered(self) -> int:
        """How many tokens need not be verified again."""
        return len(self._cache)

    @property
    def has_keys(self) -> bool:
        """Whether any token can be verified."""
        return self._keys is not None

    def use_keys(self, keys: KeySet) -> None:
        """Verify by these from now on. What other keys verified is forgotten: one of them may be withdrawn."""
        if self._keys is None or keys.epoch != self._keys.epoch:
            self._keys = keys
            self._cache.clear()

    def check(self, header: bytes | None, at_ms: int) -> Caller | Problem:
        """The caller, or why there is none. `exp` and revocation are looked at every time."""
        if header is None:
            return _unauthenticated("The request has no Authorization header with a bearer token.", error="")
        if header[:7].lower() != b"bearer ":
            return _unauthenticated("Authorization must be a bearer token.", error="")
        token = header[7:].strip(b" ")
        if len(token) > TOKEN_BYTES_MAX:
            return _unauthenticated(f"The token has more than {TOKEN_BYTES_MAX} bytes.")
        if self._keys is None:
            return Problem(
                KEYS_UNAVAILABLE, "The keys of the token's issuer cannot be read yet.", headers=(_RETRY_AFTER,)
            )
        digest = blake2b(token, digest_size=_DIGEST_BYTES, key=self._keys.epoch).digest()
        caller = self._cache.get(digest, at_ms)
        if caller is None:
            self._misses.inc()
            verified = self._verify(token, self._keys, now_s=at_ms / 1000)
            if isinstance(verified, Problem):
                return verified
            caller = verified
            self._cache.put(digest, caller)
        else:
            self._hits.inc()
        if self._revoked and self._revoked.covers(caller, at_ms):
            self._refused_revoked.inc()
            return _unauthenticated("The token was revoked.")
        return caller

    async def check_renewed(self, header: bytes | None) -> Caller | Problem:
        """As `check` after it answered UnknownKey: with the newest keys, if there is a place to look for them."""
        if self.renew is not None:
            await self.renew()
        return self.check(header, now_ms())

    def _verify(self, token: bytes, keys: KeySet, *, now_s: float) -> Caller | Problem:
        try:
            form = read_form(token)
            # No detail before the signature is right: a forger learns nothing here.
            if not keys.is_genuine(form):
                return _not_valid()
            return judge_claims(strict_object(form.payload), self._rules, now_s=now_s)
        except BadForm:
            return _not_valid()
        except UnknownKid:
            refusal = _not_valid()
            return UnknownKey(refusal.kind, refusal.detail, headers=refusal.headers)
        except BadClaims as error:
            return _unauthenticated(f"The token cannot be used: {error}.")


def _not_valid() -> Problem:
    return _unauthenticated("The token is not valid.")


def _unauthenticated(detail: str, *, error: str = "invalid_token") -> Problem:
    challenge = _CHALLENGE + (f', error="{error}"'.encode() if error else b"")
    return Problem(UNAUTHENTICATED, detail, headers=((b"www-authenticate", challenge),))
