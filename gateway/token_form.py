"""Takes a compact JWS apart, stricter than its readers usually are: one meaning for each sequence of bytes. Pure.

What is refused here never meets a key: no extension is understood (`crit`, `b64`, `zip`, `enc`), no key that a token
brings along is looked at, no member may stand twice, and only the kinds of tokens that grant access are taken."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final, NoReturn

HEADER_BYTES_MAX: Final = 2_048
"""Of the encoded header: alg, typ, kid and the odd thumbprint need a tenth of it."""
KID_CHARS_MAX: Final = 256
TYPES: Final = frozenset({"jwt", "at+jwt"})
"""`typ`, without case and `application/` (RFC 7515 §4.1.9); absent is as JWT. Not id tokens with a type of their own,
logout tokens, security events, DPoP proofs (RFC 8725 §3.11)."""
_REFUSED: Final = frozenset({"crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"})
_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class BadForm(ValueError):
    """Not a token that we look at any further."""


@dataclass(frozen=True, slots=True)
class TokenForm:
    """A token's parts. Nothing of it is true before the signature is verified."""

    alg: str
    kid: str | None
    signed: bytes
    """What the signature is over."""
    signature: bytes
    payload: bytes


def read_form(token: bytes) -> TokenForm:
    """The parts of a token. Raises BadForm."""
    parts = token.split(b".")
    if len(parts) != 3 or len(parts[0]) > HEADER_BYTES_MAX:
        raise BadForm
    header = strict_object(_decode(parts[0]))
    alg, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(alg, str) or not isinstance(kind, str) or _REFUSED & header.keys():
        raise BadForm
    if kid is not None and not (isinstance(kid, str) and len(kid) <= KID_CHARS_MAX):
        raise BadForm
    if kind.lower().removeprefix("application/") not in TYPES:
        raise BadForm
    return TokenForm(alg, kid, token[: -len(parts[2]) - 1], _decode(parts[2]), _decode(parts[1]))


def strict_object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8 with no member given twice, at any depth, and no number that is none. Raises BadForm."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_without_repeats, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:  # json's and Unicode's errors are ValueErrors
        raise BadForm from error
    if not isinstance(found, dict):
        raise BadForm
    return found


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadForm
    return found


def _no_number(_: str) -> NoReturn:
    raise BadForm


def _decode(part: bytes) -> bytes:
    """base64url without padding, in its only spelling: no stray bits at the end, no other character."""
    if not part or part.translate(None, _ALPHABET):
        raise BadForm
    try:
        data = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except binascii.Error as error:
        raise BadForm from error
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part:
        raise BadForm
    return data
