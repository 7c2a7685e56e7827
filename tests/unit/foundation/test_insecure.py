"""Production refuses passwords that anybody on the way can read, unless that is accepted by name."""

import pytest

from foundation.env import BadSettings
from foundation.insecure import sends_plain_password
from foundation.settings import load_common

PRODUCTION = {"SHARDBOARD_ENV": "production"}


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@cache:6379/0",
        "redis://cache:6379/0?password_file=/run/secrets/redis",
        "postgresql://board:secret@db/board",
        "postgresql://board:secret@db/board?sslmode=prefer",
        "postgresql://board@db/board?passfile=/run/secrets/pgpass&sslmode=disable",
    ],
)
def test_a_password_without_tls_is_seen(url: str) -> None:
    assert sends_plain_password(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://cache:6379/0",
        "rediss://:secret@cache:6379/0",
        "unix:///run/redis.sock?password_file=/run/secrets/redis",
        "postgresql://board@db/board",
        "postgresql://board:secret@db/board?sslmode=verify-full",
        "postgresql://board:secret@/board?host=/run/postgresql",
        "redis://[broken",
        "",
    ],
)
def test_what_nobody_can_read_is_none(url: str) -> None:
    assert not sends_plain_password(url)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"SHARDBOARD_CACHE_URL": "redis://:secret@cache/0"}, "SHARDBOARD_CACHE_URL"),
        ({"SHARDBOARD_SHARDS": "s1=redis://a/0,s2=redis://:secret@b/0"}, "SHARDBOARD_SHARDS, shard s2"),
        ({"SHARDBOARD_POSTGRES_URL": "postgresql://board:secret@db/board"}, "SHARDBOARD_POSTGRES_URL"),
        (
            {"SHARDBOARD_POSTGRES_URL": "postgresql://board@db/board", "SHARDBOARD_POSTGRES_PASSWORD": "secret"},
            "SHARDBOARD_POSTGRES_URL",
        ),
    ],
)
def test_production_names_the_setting_and_shows_no_password(setting: dict[str, str], told: str) -> None:
    load_common(setting)
    load_common({**PRODUCTION, **setting, "SHARDBOARD_ALLOW_INSECURE": "plaintext-passwords"})
    with pytest.raises(BadSettings, match=f"{told} sends its password without TLS") as refusal:
        load_common({**PRODUCTION, **setting})
    assert ":secret" not in str(refusal.value)


def test_an_unknown_exception_is_refused() -> None:
    with pytest.raises(BadSettings, match="has 'everything' where one of default-issuer, any-origin"):
        load_common({"SHARDBOARD_ALLOW_INSECURE": "any-origin,everything"})
