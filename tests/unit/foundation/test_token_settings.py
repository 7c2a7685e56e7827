"""One source of keys, one family for each, an end to every leeway; and what production refuses."""

from pathlib import Path

import pytest

from contracts.tokens import DEVELOPMENT_SECRET
from foundation.env import BadSettings, Env
from foundation.settings import TokenSettings, read_common, read_tokens

OWN_SECRET = "0123456789abcdef0123456789abcdef"
PRODUCTION = {
    "SHARDBOARD_ENV": "production",
    "SHARDBOARD_JWT_ISSUER": "https://id.example",
    "SHARDBOARD_JWT_AUDIENCE": "board",
}


def tokens_of(environ: dict[str, str]) -> TokenSettings:
    env = Env(environ)
    read_common(env)
    tokens = read_tokens(env)
    env.check()
    return tokens


def test_development_has_a_secret_of_its_own() -> None:
    assert tokens_of({}).secret == DEVELOPMENT_SECRET


@pytest.mark.parametrize("secret", ["", DEVELOPMENT_SECRET])
def test_production_refuses_the_development_secret(secret: str) -> None:
    with pytest.raises(BadSettings, match="development secret"):
        tokens_of({**PRODUCTION, "SHARDBOARD_JWT_SECRET": secret})


def test_production_takes_a_secret_of_its_own() -> None:
    tokens = tokens_of({**PRODUCTION, "SHARDBOARD_JWT_SECRET": OWN_SECRET})
    assert tokens == TokenSettings(OWN_SECRET, "https://id.example", "board")


@pytest.mark.parametrize("name", ["JWT_ISSUER", "JWT_AUDIENCE"])
def test_production_wants_an_issuer_and_an_audience_of_its_own(name: str) -> None:
    environ = {**PRODUCTION, "SHARDBOARD_JWT_SECRET": OWN_SECRET, f"SHARDBOARD_{name}": ""}
    with pytest.raises(BadSettings, match=f"SHARDBOARD_{name} is not set"):
        tokens_of(environ)
    assert tokens_of({**environ, "SHARDBOARD_ALLOW_INSECURE": "default-issuer"}).secret == OWN_SECRET


def test_a_short_secret_is_refused_and_not_shown() -> None:
    with pytest.raises(BadSettings, match="has 31 bytes, HS256 needs ≥ 32") as refusal:
        tokens_of({"SHARDBOARD_JWT_SECRET": OWN_SECRET[:-1]})
    assert OWN_SECRET[:-1] not in str(refusal.value)


def test_with_public_keys_there_is_no_secret_at_all(tmp_path: Path) -> None:
    """Not even the development one, which would verify anybody's tokens beside them."""
    pem = tmp_path / "key.pem"
    pem.write_text("-----BEGIN PUBLIC KEY-----\n")
    assert tokens_of({"SHARDBOARD_JWT_JWKS": "https://id.example/keys"}).secret == ""
    tokens = tokens_of({"SHARDBOARD_JWT_PUBLIC_KEY_FILE": str(pem)})
    assert (tokens.secret, tokens.public_key_pem) == ("", "-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"JWT_SECRET": OWN_SECRET, "JWT_JWKS": "https://id.example/keys"}, "verified by one of them"),
        ({"JWT_PUBLIC_KEY_FILE": "/nowhere"}, "SHARDBOARD_JWT_PUBLIC_KEY_FILE = '/nowhere' cannot be read"),
        ({"JWT_LEEWAY_S": "121"}, "SHARDBOARD_JWT_LEEWAY_S = '121' must be a whole number from 0 to 120"),
        ({"JWT_ALGORITHMS": "none"}, "has 'none' where one of HS256"),
        ({"JWT_ALGORITHMS": "RS256"}, "a secret verifies HS256 and nothing else"),
        ({"JWT_ALGORITHMS": "HS256,RS256"}, "a secret verifies HS256 and nothing else"),
        ({"JWT_ALGORITHMS": "HS256", "JWT_JWKS": "keys.json"}, "public keys never do"),
        ({"JWT_ALGORITHMS": "RS256,PS256", "JWT_JWKS": "keys.json"}, "one key, one family"),
        ({"ENV": "production", "JWT_JWKS": "http://id.example/keys"}, "must be https:// in production"),
    ],
)
def test_settings_that_would_let_others_in_are_refused(given: dict[str, str], told: str) -> None:
    with pytest.raises(BadSettings) as refusal:
        tokens_of({f"SHARDBOARD_{name}": value for name, value in given.items()})
    assert told in str(refusal.value)
