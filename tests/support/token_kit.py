"""Tokens made by hand: keys of every kind, verifiers of every kind, and a signer that signs whatever it is given."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from foundation.metrics import Metrics
from foundation.settings import TokenSettings
from gateway.http_token_keys import keys_of_jwks
from gateway.http_tokens import TokenChecker

ISSUER = "https://id.example/realms/play"
AUDIENCE = "board"
SECRET = "a-secret-of-the-token-tests-0123456789"
Sign = Callable[[bytes], bytes]


@cache
def rsa_key(name: str, bits: int = 2_048) -> rsa.RSAPrivateKey:
    """One key per name in a run."""
    return rsa.generate_private_key(65_537, bits)


@cache
def ec_key(name: str, curve: type[ec.EllipticCurve] = ec.SECP256R1) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def ed_key(name: str) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


@cache
def ed448_key() -> ed448.Ed448PrivateKey:
    return ed448.Ed448PrivateKey.generate()


def pem(key: Any) -> str:
    """The public half."""
    return str(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """The public half as a JWK."""
    kinds = {rsa.RSAPrivateKey: "RS256", ec.EllipticCurvePrivateKey: "ES256"}
    name = next((name for kind, name in kinds.items() if isinstance(key, kind)), "EdDSA")
    made: dict[str, Any] = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
    return {**made, **members}


def hs(secret: bytes, digest: str = "sha256") -> Sign:
    return lambda data: hmac.digest(secret, data, digest)


def rs(key: rsa.RSAPrivateKey, digest: type[hashes.HashAlgorithm] = hashes.SHA256) -> Sign:
    return lambda data: key.sign(data, padding.PKCS1v15(), digest())


def ps(key: rsa.RSAPrivateKey) -> Sign:
    return lambda data: key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def es_der(key: ec.EllipticCurvePrivateKey, digest: type[hashes.HashAlgorithm] = hashes.SHA256) -> Sign:
    """As OpenSSL writes it, which no JWS may have."""
    return lambda data: key.sign(data, ec.ECDSA(digest()))


def es(key: ec.EllipticCurvePrivateKey) -> Sign:
    size = (key.curve.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(es_der(key)(data))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def ed(key: Any) -> Sign:
    return lambda data: bytes(key.sign(data))


def b64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def compact(header: dict[str, Any] | bytes, payload: dict[str, Any] | bytes, *, sign: Sign) -> bytes:
    """A token of these very bytes."""
    head, body = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    signed = b64(head) + b"." + b64(body)
    return signed + b"." + b64(sign(signed))


def claims(**changes: Any) -> dict[str, Any]:
    """Good ones; None leaves a claim out."""
    now_s = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": now_s - 5, "exp": now_s + 7_200, **changes}
    return {name: value for name, value in good.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Verifier:
    """A way to configure the gateway, and who signs rightly for it."""

    name: str
    settings: TokenSettings
    alg: str
    sign: Sign
    kid: str | None = None
    jwks: bytes | None = None

    def checker(self, *, cache_max: int = 100) -> TokenChecker:
        """A new one."""
        made = TokenChecker(self.settings, Metrics(), cache_max=cache_max)
        if self.jwks is not None:
            made.use_keys(keys_of_jwks(self.jwks, self.settings.algorithms))
        return made

    def header(self, **changes: Any) -> dict[str, Any]:
        """A good one; None leaves a member out."""
        good = {"alg": self.alg, "typ": "JWT", "kid": self.kid, **changes}
        return {name: value for name, value in good.items() if value is not None}

    def token(self, header: dict[str, Any] | None = None, **changes: Any) -> bytes:
        """A good token, with changed claims."""
        return compact(self.header(**(header or {})), claims(**changes), sign=self.sign)


@cache
def verifiers() -> tuple[Verifier, ...]:
    """Every algorithm, from every source of keys that it can come from."""
    our = rsa_key("ours")
    signers: dict[str, tuple[Any, Sign]] = {
        "RS256": (our, rs(our)),
        "RS384": (our, rs(our, hashes.SHA384)),
        "RS512": (our, rs(our, hashes.SHA512)),
        "PS256": (our, ps(our)),
        "ES256": (ec_key("ours"), es(ec_key("ours"))),
        "EdDSA": (ed_key("ours"), ed(ed_key("ours"))),
        "Ed25519": (ed_key("ours"), ed(ed_key("ours"))),
    }
    found = [Verifier("secret", TokenSettings(SECRET, ISSUER, AUDIENCE), "HS256", hs(SECRET.encode()))]
    for alg, (key, sign) in signers.items():
        settings = TokenSettings("", ISSUER, AUDIENCE, public_key_pem=pem(key), algorithms=(alg,))
        found.append(Verifier(f"pem-{alg}", settings, alg, sign))
    keys = [jwk(key, kid=f"k-{alg}", alg=alg, use="sig") for alg, (key, _) in signers.items()]
    document = json.dumps({"keys": keys}).encode()
    settings = TokenSettings("", ISSUER, AUDIENCE, jwks="https://id.example/keys")
    for alg, (_, sign) in signers.items():
        found.append(Verifier(f"jwks-{alg}", settings, alg, sign, kid=f"k-{alg}", jwks=document))
    return tuple(found)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
