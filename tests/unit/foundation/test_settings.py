"""The shared settings: addresses, shards, secrets, and what production refuses."""

import pytest

from contracts.ids import ShardId
from foundation.env import BadSettings
from foundation.settings import Address, ShardAddress, load_common, parse_address, parse_shards


def test_defaults_are_a_development_machine() -> None:
    common = load_common({})
    assert common.kafka == "127.0.0.1:9092"
    assert common.url_of(ShardId("s1")) == "redis://127.0.0.1:6380/0"
    assert common.calendar.kinds == ("all_time", "daily", "weekly")
    assert not common.is_production


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        (":8080", Address("0.0.0.0", 8080)),  # noqa: S104
        ("[::1]:0", Address("::1", 0)),
        ("db.internal:65535", Address("db.internal", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "8080", "host:", "host:65536", "host:-1", "host:http", "host:８０"])
def test_another_text_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        parse_address(text)


def test_shards_have_names_and_addresses() -> None:
    assert parse_shards("s1=redis://a:1/0, eu-2=rediss://b:2/0,s3=unix:///run/r.sock") == (
        ShardAddress(ShardId("s1"), "redis://a:1/0"),
        ShardAddress(ShardId("eu-2"), "rediss://b:2/0"),
        ShardAddress(ShardId("s3"), "unix:///run/r.sock"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "shard=redis://"),
        ("s1", "has 's1'"),
        ("s1=http://a", "has 's1=http://a'"),
        ("s1=redis://a,", "has ''"),
        ("S1=redis://a", "must match"),
        ("s1=redis://a,s1=redis://b", "names shard 's1' twice"),
    ],
)
def test_wrong_shards_are_refused_with_the_rule(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=r".") as refusal:
        parse_shards(text)
    assert told in str(refusal.value)


def test_an_unknown_shard_has_no_address() -> None:
    with pytest.raises(KeyError):
        load_common({}).url_of(ShardId("s9"))


def test_all_faults_are_told_at_once() -> None:
    environ = {
        "SHARDBOARD_SHARDS": "s1",
        "SHARDBOARD_PERIODS": "daily",
        "SHARDBOARD_LOG": "loud",
        "SHARDBOARD_ADMIN_LISTEN": "x",
        "SHARDBOARD_DRAIN_S": "0",
        "SHARDBOARD_WINDOW_MS": "1000",
    }
    with pytest.raises(BadSettings) as refusal:
        load_common(environ)
    text = str(refusal.value)
    for name in ("SHARDS", "PERIODS", "LOG", "ADMIN_LISTEN", "DRAIN_S"):
        assert f"SHARDBOARD_{name} = " in text
    assert "window_ms = 1000 must be ≥ back + ahead + delivery timeout + 2 × clock skew = 810000" in text


POSTGRES = "postgresql://shardboard@db:5432/board"


def postgres_of(url: str, password: str) -> str:
    return load_common({"SHARDBOARD_POSTGRES_URL": url, "SHARDBOARD_POSTGRES_PASSWORD": password}).postgres_url


def test_the_password_of_postgres_may_be_given_apart() -> None:
    assert postgres_of(POSTGRES, "a/b@c:d") == "postgresql://shardboard:a%2Fb%40c%3Ad@db:5432/board"
    assert postgres_of(POSTGRES, "") == POSTGRES
    assert postgres_of("", "unused") == ""


@pytest.mark.parametrize("url", ["postgresql://shardboard:one@db/board", "postgresql://db/board"])
def test_a_password_that_fits_no_user_is_refused(url: str) -> None:
    with pytest.raises(BadSettings, match="needs a SHARDBOARD_POSTGRES_URL with a user and no password"):
        postgres_of(url, "two")
