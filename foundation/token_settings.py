"""How tokens are checked and made: which one source of keys, whose tokens, how strictly. Read from the environment."""

from dataclasses import dataclass
from typing import Final

from contracts.tokens import (
    ALGORITHMS,
    AUDIENCE_DEFAULT,
    DEVELOPMENT_SECRET,
    ISSUER_DEFAULT,
    LEEWAY_DEFAULT_S,
    LEEWAY_MAX_S,
    SECRET_BYTES_MIN,
)
from foundation.env import Env
from foundation.insecure import DEFAULT_ISSUER, is_accepted

JWKS_REFRESH_DEFAULT_S: Final = 300
_SHARED: Final = "HS256"


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """One of `secret`, `public_key_pem` and `jwks` is set."""

    secret: str
    issuer: str
    audience: str
    public_key_pem: str = ""
    jwks: str = ""
    """A file, or the address where the issuer publishes its keys."""
    algorithms: tuple[str, ...] = ()
    """None: the usual one of each key."""
    leeway_s: int = LEEWAY_DEFAULT_S
    scope_claim: str = "scope"
    jwks_refresh_s: int = JWKS_REFRESH_DEFAULT_S


def read_tokens(env: Env) -> TokenSettings:
    """Read the token settings, after the common ones; production refuses what everybody knows or may read."""
    is_production = env.read["ENV"].value == "production"
    pem = env.content("JWT_PUBLIC_KEY_FILE", meaning="file of the public key that verifies tokens: PEM")
    jwks = env.text("JWT_JWKS", "", meaning="JWK Set that verifies tokens: a file, or https://… of the issuer")
    has_public = bool(pem or jwks)
    secret = env.secret("JWT_SECRET", "" if has_public else DEVELOPMENT_SECRET, meaning="HS256 key, at least 32 bytes")
    settings = TokenSettings(
        secret=secret,
        issuer=env.text("JWT_ISSUER", ISSUER_DEFAULT, meaning="`iss` that tokens must have"),
        audience=env.text("JWT_AUDIENCE", AUDIENCE_DEFAULT, meaning="`aud` that tokens must have, maybe among others"),
        public_key_pem=pem,
        jwks=jwks,
        algorithms=env.parsed(
            "JWT_ALGORITHMS", "", parse=_parse_algorithms,
            meaning=f"of {', '.join(ALGORITHMS)}: those that keys may verify; empty: RS256, ES256, EdDSA by the key",
        ),
        leeway_s=env.whole(
            "JWT_LEEWAY_S", LEEWAY_DEFAULT_S, low=0, high=LEEWAY_MAX_S,
            meaning="s that the issuer's clock may differ: for exp, nbf and iat",
        ),
        scope_claim=env.text("JWT_SCOPE_CLAIM", "scope", meaning="claim that holds the scopes: text or a list"),
        jwks_refresh_s=env.whole(
            "JWT_JWKS_REFRESH_S", JWKS_REFRESH_DEFAULT_S, low=1, high=86_400,
            meaning="s after which the JWK Set is read again; a withdrawn key verifies that long",
        ),
    )  # fmt: skip
    _check_keys(env, settings, is_production=is_production)
    if is_production and not is_accepted(env, DEFAULT_ISSUER):
        for name in ("JWT_ISSUER", "JWT_AUDIENCE"):
            env.require(
                not env.read[name].is_default,
                f"SHARDBOARD_{name} is not set; SHARDBOARD_ENV=production needs your own, or other systems' tokens "
                f"might pass (SHARDBOARD_ALLOW_INSECURE={DEFAULT_ISSUER} accepts the default)",
            )
    return settings


def _check_keys(env: Env, settings: TokenSettings, *, is_production: bool) -> None:
    sources = {
        "SHARDBOARD_JWT_SECRET": settings.secret,
        "SHARDBOARD_JWT_PUBLIC_KEY_FILE": settings.public_key_pem,
        "SHARDBOARD_JWT_JWKS": settings.jwks,
    }
    named = [name for name, value in sources.items() if value]
    env.require(len(named) <= 1, f"{' and '.join(named)} are set; tokens are verified by one of them")
    if settings.secret:
        size = len(settings.secret.encode())
        env.require(
            size >= SECRET_BYTES_MIN, f"SHARDBOARD_JWT_SECRET has {size} bytes, HS256 needs ≥ {SECRET_BYTES_MIN}"
        )
    env.require(
        not (is_production and settings.secret == DEVELOPMENT_SECRET),
        "SHARDBOARD_JWT_SECRET is the development secret; SHARDBOARD_ENV=production needs one of your own",
    )
    env.require(
        not (is_production and settings.jwks.startswith("http://")),
        "SHARDBOARD_JWT_JWKS must be https:// in production: who changes it on the way signs any token",
    )
    chosen = set(settings.algorithms)
    env.require(
        not chosen or (chosen == {_SHARED} if settings.secret else _SHARED not in chosen),
        f"SHARDBOARD_JWT_ALGORITHMS = {','.join(settings.algorithms)}: a secret verifies HS256 and nothing else, "
        "public keys never do",
    )
    env.require(
        not ("PS256" in chosen and any(name.startswith("RS") for name in chosen)),
        "SHARDBOARD_JWT_ALGORITHMS names RS… and PS256, which use the same keys: one key, one family",
    )


def _parse_algorithms(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in ALGORITHMS:
            raise ValueError(f"has {name!r} where one of {', '.join(ALGORITHMS)} is expected")
    return names
