"""A gateway on the shared Kafka and cache, with a topic of its own for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from tests.support.running_gateway import CATALOGUE, RunningGateway, running_gateway
from tests.support.wait import wait_until

PARTITIONS = 4


@pytest.fixture
async def gateway_env(
    kafka_address: str, valkey_url: str, valkey: Redis, unique_name: str, tmp_path: Path
) -> dict[str, str]:
    """The environment of a gateway; its topics exist, the cache is empty."""
    actions_file = tmp_path / "actions.toml"
    actions_file.write_text(CATALOGUE)
    environ = {
        "SHARDBOARD_KAFKA": kafka_address,
        "SHARDBOARD_CACHE_URL": valkey_url,
        "SHARDBOARD_ACTIONS_TOPIC": unique_name,
        "SHARDBOARD_DEAD_TOPIC": f"{unique_name}.dead",
        "SHARDBOARD_ACTIONS_FILE": str(actions_file),
        "SHARDBOARD_PERIODS": "all_time,daily,weekly",
    }
    await create_topics(load_common(environ), partitions=PARTITIONS, replication=1)
    return environ


@pytest.fixture
async def gateway(gateway_env: dict[str, str]) -> AsyncIterator[RunningGateway]:
    """A gateway that is ready."""
    async with running_gateway({**gateway_env, "SHARDBOARD_DEMO": "1"}) as running:
        await wait_until(running.is_ready, timeout_s=20, what="the gateway to be ready")
        yield running
