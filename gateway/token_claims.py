"""Judges the claims of a token whose signature is right: by whom, for whom, from when until when. Pure.

Stricter than PyJWT's own checks, which take text, true and 1e400 for times."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from contracts.tokens import TOKEN_ID_BYTES_MAX
from gateway.token_rules import BadClaims, Caller, caller_of

REQUIRED: Final = ("exp", "iat", "iss", "aud", "sub")
TIME_MAX_S: Final = 253_402_300_799
"""The end of the year 9999."""
_PURPOSES: Final = {"typ": {"bearer", "jwt", "at+jwt"}, "token_use": {"access"}}
"""How Keycloak and Cognito tell access tokens from id and refresh tokens, where the header does not."""


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Whose tokens are taken."""

    issuer: str
    audience: str
    leeway_s: int
    scope_claim: str


def judge_claims(claims: Mapping[str, Any], rules: ClaimRules, *, now_s: float) -> Caller:
    """The caller that the claims of a genuine token speak of. Raises BadClaims, which says why not."""
    missing = [name for name in REQUIRED if claims.get(name) is None]
    if missing:
        raise BadClaims(f"it lacks the claim {missing[0]}")
    if claims["iss"] != rules.issuer or not isinstance(claims["iss"], str):
        raise BadClaims("it was made by another issuer")
    if not _is_for(claims["aud"], rules.audience):
        raise BadClaims("it was made for another audience")
    expires_s, issued_s = _time(claims, "exp"), _time(claims, "iat")
    if now_s >= expires_s + rules.leeway_s:
        raise BadClaims("it has expired")
    if issued_s > now_s + rules.leeway_s:
        raise BadClaims("iat lies in the future")
    if claims.get("nbf") is not None and _time(claims, "nbf") > now_s + rules.leeway_s:
        raise BadClaims("nbf lies in the future: it is not valid yet")
    _check_purpose(claims)
    token_id = claims.get("jti")
    if token_id is not None and (not isinstance(token_id, str) or _is_long(token_id)):
        raise BadClaims(f"jti is not text of at most {TOKEN_ID_BYTES_MAX} bytes")
    return caller_of(claims, scope_claim=rules.scope_claim, leeway_s=rules.leeway_s)


def _is_for(audience: object, wanted: str) -> bool:
    """RFC 7519 §4.1.3: one text or a list of texts, one of which is us."""
    if isinstance(audience, list):
        return all(isinstance(each, str) for each in audience) and wanted in audience
    return isinstance(audience, str) and audience == wanted


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims[name]
    # bool is a kind of int in Python, and in no other sense a time.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadClaims(f"{name} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise BadClaims(f"{name} is not a number")
    if not 0 <= value <= TIME_MAX_S:
        raise BadClaims(f"{name} is not a time")
    return value


def _check_purpose(claims: Mapping[str, Any]) -> None:
    """Raise BadClaims for tokens that are genuine, but grant no access to bearers (RFC 8725 §3.12)."""
    for name, accepted in _PURPOSES.items():
        purpose = claims.get(name, "")
        if purpose != "" and (not isinstance(purpose, str) or purpose.lower() not in accepted):
            raise BadClaims(f"it is no access token: {name}")
    if "events" in claims:
        raise BadClaims("it is a security event, no access token")
    if "cnf" in claims:
        raise BadClaims("it is bound to a key of its holder (cnf), which a bearer cannot show")


def _is_long(text: str) -> bool:
    return len(text.encode(errors="surrogatepass")) > TOKEN_ID_BYTES_MAX
