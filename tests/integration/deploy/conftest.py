"""A deployment's edge with real servers: two gateways that have a board, behind HAProxy; one for each test file."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis

from contracts.clock import now_ms
from contracts.ids import PeriodId
from contracts.redis_keys import TOP_CHANGED, top
from contracts.tops import GlobalTop, encode_top
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.support.balanced_gateways import Balanced, balanced_gateways
from tests.support.running_gateway import CATALOGUE

SECRET = "a-secret-of-more-than-thirty-two-bytes"
HAPROXY = {"GATEWAY_1_WEIGHT": "100", "GATEWAY_2_WEIGHT": "50", "REQUEST_TIMEOUT": "2s"}


@pytest.fixture(scope="module")
def edge_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
async def edge_environ(kafka_address: str, edge_folder: Path) -> AsyncIterator[dict[str, str]]:
    """Settings of gateways with a topic and a cache of their own; the cache has an empty board."""
    (port,) = free_ports(1)
    cache = ValkeyServer(edge_folder / "cache", port=port, name="cache")
    actions = edge_folder / "actions.toml"
    actions.write_text(CATALOGUE)
    topic = f"edge-{port}"
    environ = {
        "SHARDBOARD_KAFKA": kafka_address,
        "SHARDBOARD_CACHE_URL": cache.address,
        "SHARDBOARD_ACTIONS_TOPIC": topic,
        "SHARDBOARD_DEAD_TOPIC": f"{topic}.dead",
        "SHARDBOARD_ACTIONS_FILE": str(actions),
        "SHARDBOARD_JWT_SECRET": SECRET,
        "SHARDBOARD_PERIODS": "all_time",
    }
    await cache.start()
    try:
        await create_topics(load_common(environ), partitions=4, replication=1)
        await write_board(cache.address, version=1)
        yield environ
    finally:
        await cache.stop()


@pytest.fixture(scope="module")
async def edge(edge_environ: dict[str, str], edge_folder: Path) -> AsyncIterator[Balanced]:
    async with AsyncExitStack() as ending:
        yield await ending.enter_async_context(balanced_gateways(edge_environ, edge_folder, haproxy=HAPROXY))


async def write_board(cache_url: str, *, version: int) -> None:
    """What a merger writes: the board, then the news of it."""
    board = GlobalTop(
        period=PeriodId("all_time"),
        version=version,
        positions=(),
        rows=(),
        ranks=(),
        as_of_ms=now_ms(),
        published_at_ms=now_ms(),
        complete=True,
    )
    async with Redis.from_url(cache_url) as cache:
        await cache.set(top(board.period), encode_top(board))
        await cache.xadd(TOP_CHANGED, {"period": board.period, "version": version})
