"""The worker's settings: which shard, within which bounds."""

import pytest

from foundation.env import BadSettings
from shard_worker.settings import read_settings

SHARDS = {"SHARDBOARD_SHARDS": "s1=redis://a:1/0,s2=redis://b:2/0"}


def test_redis_is_that_of_the_named_shard() -> None:
    settings = read_settings({**SHARDS, "SHARDBOARD_SHARD": "s2"})
    assert (settings.shard, settings.redis_url, settings.lease_ms, settings.top_rows) == (
        "s2",
        "redis://b:2/0",
        5000,
        100,
    )


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("SHARD", "s3", "is not in SHARDBOARD_SHARDS .*, nor is SHARDBOARD_SHARD_URL set"),
        ("SHARD_URL", "http://a", "must be redis://host:port/0"),
        ("SHARD", "S1", "must match"),
        ("LEASE_MS", "1", "from 500 to 60000"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str, rule: str) -> None:
    with pytest.raises(BadSettings, match=rule):
        read_settings({**SHARDS, f"SHARDBOARD_{name}": value})


def test_shard_that_joins_brings_its_address() -> None:
    settings = read_settings({**SHARDS, "SHARDBOARD_SHARD": "s3", "SHARDBOARD_SHARD_URL": "redis://c:3/0"})
    assert (settings.shard, settings.redis_url) == ("s3", "redis://c:3/0")
    moved = read_settings({**SHARDS, "SHARDBOARD_SHARD": "s2", "SHARDBOARD_SHARD_URL": "redis://d:4/0"})
    assert moved.redis_url == "redis://d:4/0"
