"""What a key verifies is fixed by the key: its kind, its size, its curve, its own `alg` and `use`."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.http_token_keys import (
    JWKS_KEYS_MAX,
    BadKeys,
    KeySet,
    UnknownKid,
    keys_of_jwks,
    keys_of_pem,
    keys_of_secret,
)
from gateway.token_form import TokenForm, read_form
from tests.support.token_kit import Sign, claims, compact, ec_key, ed, ed448_key, ed_key, es, jwk, pem, rs, rsa_key


def form(alg: str, sign: Sign, *, kid: str | None = None) -> TokenForm:
    return read_form(compact({"alg": alg} | ({} if kid is None else {"kid": kid}), claims(), sign=sign))


def jwks(*keys: dict[str, Any], algorithms: tuple[str, ...] = ()) -> KeySet:
    return keys_of_jwks(json.dumps({"keys": list(keys)}).encode(), algorithms)


RSA, EC, ED = rsa_key("ours"), ec_key("ours"), ed_key("ours")


@pytest.mark.parametrize("key", [RSA, EC, ED], ids=["rsa", "ec", "ed"])
def test_a_public_key_is_no_secret(key: Any) -> None:
    with pytest.raises(BadKeys, match="that is no secret"):
        keys_of_secret(pem(key))


def test_a_private_key_or_none_is_no_public_key() -> None:
    private = ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for text in (private, "nonsense"):
        with pytest.raises(BadKeys, match="must hold one public key"):
            keys_of_pem(text, ())


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (rsa_key("small", 1_024), ()),
        (ec_key("ours", ec.SECP384R1), ()),
        (ec_key("ours", ec.SECP256K1), ()),
        (ed448_key(), ()),
        (RSA, ("ES256",)),
        (EC, ("EdDSA",)),
    ],
)
def test_weak_keys_other_curves_and_other_algorithms_are_refused(key: Any, algorithms: tuple[str, ...]) -> None:
    with pytest.raises(BadKeys, match="holds a key that"):
        keys_of_pem(pem(key), algorithms)
    with pytest.raises(BadKeys, match="has no public key"):
        jwks(jwk(key, kid="a"), algorithms=algorithms)


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"}, {"key_ops": ["sign"]}, {"key_ops": "verify"}, {"d": "AAAA"}, {"alg": "RS256"}, {"alg": "none"},
        {"alg": 5}, {"kid": 5}, {"kty": "oct", "k": "AAAA"}, {"kty": "EC"}, {"x": None}, {"crv": "Ed448"},
    ],
)  # fmt: skip
def test_keys_for_other_uses_are_left_out(members: dict[str, Any]) -> None:
    keys = jwks(jwk(EC, kid="good"), {**jwk(ED, kid="bad"), **members})
    assert len(keys) == 1


def test_a_kid_chooses_and_an_unknown_one_is_told() -> None:
    other = ed_key("other")
    keys = jwks(jwk(ED, kid="a"), jwk(other, kid="b"))
    assert keys.is_genuine(form("EdDSA", ed(ED), kid="a"))
    assert keys.is_genuine(form("EdDSA", ed(other), kid="b"))
    assert not keys.is_genuine(form("EdDSA", ed(ED), kid="b"))
    with pytest.raises(UnknownKid):
        keys.is_genuine(form("EdDSA", ed(ED), kid="c"))


def test_without_a_kid_there_must_be_no_choice() -> None:
    keys = jwks(jwk(ED, kid="a"), jwk(EC, kid="b"), jwk(ec_key("other"), kid="c"))
    assert keys.is_genuine(form("EdDSA", ed(ED)))
    assert not keys.is_genuine(form("ES256", es(EC)))


def test_an_rsa_key_verifies_the_family_that_was_chosen() -> None:
    assert keys_of_pem(pem(RSA), ()).is_genuine(form("RS256", rs(RSA)))
    assert not keys_of_pem(pem(RSA), ("PS256",)).is_genuine(form("RS256", rs(RSA)))


def test_the_epoch_is_that_of_the_set() -> None:
    """Equal sets are equal, however often they are read; another key, another choice of algorithms are others."""
    a, b = jwk(ED, kid="a"), jwk(EC, kid="b")
    epochs = {
        jwks(a).epoch, jwks(a, b).epoch, jwks(a, algorithms=("EdDSA",)).epoch, keys_of_pem(pem(ED), ()).epoch,
        keys_of_secret("x" * 32).epoch, keys_of_secret("y" * 32).epoch,
    }  # fmt: skip
    assert len(epochs) == 6
    assert jwks(a).epoch in epochs


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys":{}}', '{"keys":[],"keys":[]}', '{"keys":[5]}'])
def test_what_is_no_set_is_refused(text: str) -> None:
    with pytest.raises(BadKeys):
        keys_of_jwks(text.encode(), ())
    with pytest.raises(BadKeys, match=f"at most {JWKS_KEYS_MAX}"):
        jwks(*[jwk(ED, kid=str(n)) for n in range(JWKS_KEYS_MAX + 1)])
