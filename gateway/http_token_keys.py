"""The keys that verify tokens: what each may verify is fixed when it is read, from the key and the settings alone.

A shared secret verifies HS256 and nothing else, a public key never serves as a secret (RFC 8725 §3.1, §3.2)."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import Algorithm, get_default_algorithms

from gateway.token_form import BadForm, TokenForm, strict_object

RSA_BITS_MIN: Final = 2_048
RSA_BITS_MAX: Final = 8_192
"""A key of 16,384 bits takes a ms to verify with; nobody needs one."""
JWKS_KEYS_MAX: Final = 64
"""Providers publish two to five; some list those of all their clients."""
_EPOCH_BYTES: Final = 16
_EDWARDS: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of one algorithm, the second not yet known to PyJWT."""
_ALGORITHMS: Final = {**get_default_algorithms(), "Ed25519": get_default_algorithms()["EdDSA"]}
_OF_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256"})
_PUBLIC: Final = frozenset({*_OF_RSA, "ES256", *_EDWARDS})


class BadKeys(ValueError):
    """No token could be verified with these; the message says why."""


class UnknownKid(Exception):
    """The token names a key that is not among these: the set may have changed."""


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """One key and the algorithms that it is for. Keys without `kid` come from a secret or a file of one key."""

    kid: str | None
    key: Any
    algorithms: Mapping[str, Algorithm]

    def verifies(self, form: TokenForm) -> bool:
        """Whether this key signed the token."""
        try:
            return self.algorithms[form.alg].verify(form.signed, self.key, form.signature)
        except (ValueError, jwt.PyJWTError):  # a signature that is none
            return False


class KeySet:
    """All keys of the moment. `epoch` differs between any two sets that differ."""

    def __init__(self, keys: Iterable[VerifyKey], *, identity: bytes, is_named: bool) -> None:
        """`is_named`: its keys are told apart by `kid`. `identity` is what the epoch is made of."""
        self._keys = tuple(keys)
        self._is_named = is_named
        self.epoch = hashlib.blake2b(identity, digest_size=_EPOCH_BYTES, person=b"key epoch").digest()

    def __len__(self) -> int:
        return len(self._keys)

    def is_genuine(self, form: TokenForm) -> bool:
        """Whether a key that the token means verifies it. Raises UnknownKid."""
        fitting = [key for key in self._keys if form.alg in key.algorithms]
        if self._is_named and form.kid is not None:
            meant = [key for key in fitting if key.kid == form.kid]
            if not meant and all(key.kid != form.kid for key in self._keys):
                raise UnknownKid
            return any(key.verifies(form) for key in meant)
        # Without a name there must be no choice: the token does not get to try keys.
        return len(fitting) == 1 and fitting[0].verifies(form)


def keys_of_secret(secret: str) -> KeySet:
    """HS256 with a secret of ours. Raises BadKeys when the secret is a public key, which everybody knows."""
    algorithm = _ALGORITHMS["HS256"]
    try:
        key = algorithm.prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise BadKeys("SHARDBOARD_JWT_SECRET holds a public key or a certificate: that is no secret") from error
    return KeySet([VerifyKey(None, key, {"HS256": algorithm})], identity=b"secret\0" + key, is_named=False)


def keys_of_pem(pem: str, algorithms: tuple[str, ...]) -> KeySet:
    """One public key in PEM. `algorithms` chooses among those of its kind; none means its kind's usual one. Raises
    BadKeys."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError as error:
        raise BadKeys("SHARDBOARD_JWT_PUBLIC_KEY_FILE must hold one public key: -----BEGIN PUBLIC KEY-----") from error
    made = _verify_key(None, key, algorithms=algorithms)
    if made is None:
        raise BadKeys(
            "SHARDBOARD_JWT_PUBLIC_KEY_FILE holds a key that SHARDBOARD_JWT_ALGORITHMS does not name, or none of RSA "
            f"with {RSA_BITS_MIN} to {RSA_BITS_MAX} bits, P-256, Ed25519"
        )
    return KeySet([made], identity=b"pem\0" + repr(algorithms).encode() + pem.encode(), is_named=False)


def keys_of_jwks(document: bytes, algorithms: tuple[str, ...]) -> KeySet:
    """The keys of a JWK Set that sign (RFC 7517). Those of other kinds, for other uses and secret ones are left out.
    Raises BadKeys when none is left."""
    try:
        found = strict_object(document).get("keys")
    except BadForm:
        found = None
    if not isinstance(found, list) or len(found) > JWKS_KEYS_MAX:
        raise BadKeys(f"is not a JWK Set of at most {JWKS_KEYS_MAX} keys")
    keys = [key for each in found if isinstance(each, dict) and (key := _from_jwk(each, algorithms)) is not None]
    if not keys:
        raise BadKeys(f"has no public key for one of {', '.join(algorithms or _USUAL)}")
    identity = json.dumps([algorithms, found], sort_keys=True).encode()
    return KeySet(keys, identity=b"jwks\0" + identity, is_named=True)


def _from_jwk(jwk: dict[str, Any], algorithms: tuple[str, ...]) -> VerifyKey | None:
    operations = jwk.get("key_ops", ["verify"])
    is_secret = "d" in jwk or jwk.get("kty") == "oct"
    if is_secret or jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    named, kid = jwk.get("alg"), jwk.get("kid")
    if not isinstance(named, str | None) or not isinstance(kid, str | None):
        return None
    if named is not None and named not in (algorithms or _PUBLIC):
        return None
    try:
        key = jwt.PyJWK(jwk, "EdDSA" if named in _EDWARDS else named).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return _verify_key(kid, key, algorithms=algorithms if named is None else (named,))


def _verify_key(kid: str | None, key: object, *, algorithms: tuple[str, ...]) -> VerifyKey | None:
    """None where the key is weak, of a kind that we do not take, or for none of the algorithms."""
    usual, possible = _algorithms_of(key)
    chosen = possible.intersection(algorithms) if algorithms else usual
    return VerifyKey(kid, key, {name: _ALGORITHMS[name] for name in sorted(chosen)}) if chosen else None


def _algorithms_of(key: object) -> tuple[frozenset[str], frozenset[str]]:
    """What a key verifies unless the settings choose, and what they may choose among."""
    if isinstance(key, RSAPublicKey) and RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        return frozenset({"RS256"}), _OF_RSA
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return frozenset({"ES256"}), frozenset({"ES256"})
    if isinstance(key, Ed25519PublicKey):
        return _EDWARDS, _EDWARDS
    return frozenset(), frozenset()


_USUAL: Final = ("RS256", "ES256", "EdDSA", "Ed25519")
