"""Verifies bearer tokens (HS256 through PyJWT) and remembers the verified ones."""

import hmac
from hashlib import blake2b
from typing import Final

import jwt

from contracts.metric_names import TOKEN_CACHE
from contracts.problems import UNAUTHENTICATED
from contracts.tokens import TOKEN_BYTES_MAX
from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.problem import Problem
from gateway.token_rules import BadClaims, Caller, TokenCache, caller_of

ALGORITHMS: Final = ["HS256"]
"""Pinned: the token never chooses how it is verified."""
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]
_DIGEST_BYTES: Final = 16
_CHALLENGE: Final = b'Bearer realm="shardboard"'


class TokenChecker:
    """Checks the Authorization header of a request. A change of key needs a new checker, hence an empty memory."""

    def __init__(self, settings: TokenSettings, metrics: Metrics, *, cache_max: int) -> None:
        self._settings = settings
        self._cache = TokenCache(cache_max)
        self._epoch = hmac.digest(settings.secret.encode(), b"key epoch", "sha256")[:_DIGEST_BYTES]
        results = metrics.counter(TOKEN_CACHE)
        self._hits, self._misses = results.labels("hit"), results.labels("miss")

    def check(self, header: bytes | None, now_ms: int) -> Caller | Problem:
        """The caller, or why there is none. `exp` is looked at every time."""
        if header is None:
            return _unauthenticated("The request has no Authorization header with a bearer token.", error="")
        if header[:7].lower() != b"bearer ":
            return _unauthenticated("Authorization must be a bearer token.", error="")
        token = header[7:].strip()
        if len(token) > TOKEN_BYTES_MAX:
            return _unauthenticated(f"The token has more than {TOKEN_BYTES_MAX} bytes.")
        digest = blake2b(token, digest_size=_DIGEST_BYTES, key=self._epoch).digest()
        caller = self._cache.get(digest, now_ms)
        if caller is not None:
            self._hits.inc()
            return caller
        self._misses.inc()
        verified = self._verify(token)
        if isinstance(verified, Caller):
            self._cache.put(digest, verified)
        return verified

    def _verify(self, token: bytes) -> Caller | Problem:
        try:
            claims = jwt.decode(
                token,
                self._settings.secret,
                algorithms=ALGORITHMS,
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                # iat is not a limit of validity (RFC 7519 §4.1.6): a maker's clock may be a little ahead.
                options={"require": _REQUIRED, "verify_iat": False},
            )
            return caller_of(claims)
        except jwt.ExpiredSignatureError:
            return _unauthenticated("The token has expired.")
        except jwt.MissingRequiredClaimError as error:
            return _unauthenticated(f"The token lacks the claim {error.claim}.")
        except (jwt.InvalidAudienceError, jwt.InvalidIssuerError):
            return _unauthenticated("The token was made by another issuer or for another audience.")
        except BadClaims as error:
            return _unauthenticated(f"The token cannot be used: {error}.")
        except (jwt.PyJWTError, RecursionError, OverflowError):
            # No detail: a forger learns nothing here.
            return _unauthenticated("The token is not valid.")


def _unauthenticated(detail: str, *, error: str = "invalid_token") -> Problem:
    challenge = _CHALLENGE + (f', error="{error}"'.encode() if error else b"")
    return Problem(UNAUTHENTICATED, detail, headers=((b"www-authenticate", challenge),))
