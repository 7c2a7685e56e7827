"""What production refuses unless it is accepted by name in SHARDBOARD_ALLOW_INSECURE, and the rules about passwords.

The development secret and plaintext JWK Sets have no name here: nobody may accept those."""

from typing import Final
from urllib.parse import parse_qs, urlsplit

from foundation.env import Env

DEFAULT_ISSUER: Final = "default-issuer"
"""Tokens of the issuer and for the audience `shardboard`, which other deployments have too."""
ANY_ORIGIN: Final = "any-origin"
"""CORS for every web page of the world."""
PLAINTEXT_PASSWORDS: Final = "plaintext-passwords"
"""Passwords of Redis, Postgres and Kafka cross the network readable: for networks that nobody else is on."""
NAMES: Final = (DEFAULT_ISSUER, ANY_ORIGIN, PLAINTEXT_PASSWORDS)


def read_accepted(env: Env) -> None:
    """Read the setting; `is_accepted` answers from it."""
    env.parsed(
        "ALLOW_INSECURE", "", parse=_parse,
        meaning=f"what production accepts all the same, comma-separated: {', '.join(NAMES)}",
    )  # fmt: skip


def is_accepted(env: Env, name: str) -> bool:
    """Whether the operator accepts this by name."""
    return name in _words(env.read["ALLOW_INSECURE"].value)


def require_guarded_passwords(env: Env, urls: dict[str, str]) -> None:
    """Note a fault for each URL, by the name of its setting, that sends a password without TLS in production."""
    if env.read["ENV"].value != "production" or is_accepted(env, PLAINTEXT_PASSWORDS):
        return
    for name, url in urls.items():
        env.require(
            not sends_plain_password(url),
            f"SHARDBOARD_{name} sends its password without TLS; SHARDBOARD_ENV=production needs rediss://, or sslmode="
            f"verify-full for Postgres (SHARDBOARD_ALLOW_INSECURE={PLAINTEXT_PASSWORDS} accepts it)",
        )


def sends_plain_password(url: str) -> bool:
    """Whether whoever listens on the way can read the password. A URL that cannot be read sends none."""
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        has_password = bool(parts.password) or bool(query.keys() & {"password", "password_file", "passfile"})
    except ValueError:
        return False
    if not has_password or parts.scheme in ("rediss", "unix", ""):
        return False
    if parts.scheme.startswith("postgres"):
        is_socket = query.get("host", [parts.hostname or ""])[0].startswith("/")
        return not is_socket and query.get("sslmode", ["prefer"])[-1] not in ("require", "verify-ca", "verify-full")
    return True


def _words(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _parse(text: str) -> frozenset[str]:
    for word in _words(text):
        if word not in NAMES:
            raise ValueError(f"has {word!r} where one of {', '.join(NAMES)} is expected")
    return _words(text)
