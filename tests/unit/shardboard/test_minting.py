"""Tokens made here."""

import jwt
import pytest

from contracts.tokens import TTL_MAX_S
from foundation.settings import TokenSettings
from shardboard.minting import Claims, mint

SETTINGS = TokenSettings(secret="a-secret-of-more-than-thirty-two-bytes", issuer="iss", audience="aud")
NOW_S = 1_800_000_000


def read(token: str) -> dict[str, object]:
    claims: dict[str, object] = jwt.decode(
        token,
        SETTINGS.secret,
        ["HS256"],
        audience="aud",
        issuer="iss",
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


def test_a_token_holds_what_it_was_given_and_nothing_else() -> None:
    token = mint(SETTINGS, Claims("ada", ("moderate", "operate"), "Ada"), ttl_s=60, now_s=NOW_S)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"
    claims = read(token)
    assert len(str(claims.pop("jti"))) == 32
    assert claims == {
        "iss": "iss", "aud": "aud", "sub": "ada", "scope": "moderate operate", "name": "Ada", "iat": NOW_S,
        "exp": NOW_S + 60,
    }  # fmt: skip


def test_each_token_can_be_revoked_by_an_id_of_its_own() -> None:
    first, second = (read(mint(SETTINGS, Claims("ada"), ttl_s=60, now_s=NOW_S)) for _ in range(2))
    assert first["jti"] != second["jti"]


def test_no_token_is_made_where_the_keys_are_somebody_elses() -> None:
    with pytest.raises(ValueError, match="made by its issuer"):
        mint(TokenSettings("", "iss", "aud", jwks="https://a.example/keys"), Claims("ada"), ttl_s=60, now_s=NOW_S)


def test_no_scope_and_no_name_are_left_out() -> None:
    assert {"scope", "name"}.isdisjoint(read(mint(SETTINGS, Claims("ada"), ttl_s=60, now_s=NOW_S)))


@pytest.mark.parametrize("ttl_s", [0, -1, TTL_MAX_S + 1])
def test_a_token_ends(ttl_s: int) -> None:
    with pytest.raises(ValueError, match="ttl"):
        mint(SETTINGS, Claims("ada"), ttl_s=ttl_s, now_s=NOW_S)
