"""The parts of a status from a real Kafka, shard and cache."""

from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import LogMs, Partition, UserId
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow
from contracts.tops import GlobalTop, encode_top
from foundation.kafka_topics import create_topics
from foundation.settings import CommonSettings, load_common
from shardboard.deployment import Deployment, RunFile, RunProcess, SupervisorProcess
from shardboard.embedded.ports import free_ports
from shardboard.status.gather import gather_status

TOP = GlobalTop(
    period=ALL_TIME,
    version=7,
    positions=(),
    rows=tuple(TopRow(UserId(f"u{n}"), 100 - n, LogMs(1), Partition(0), f"U{n}") for n in range(20)),
    ranks=tuple(range(1, 21)),
    complete=True,
    as_of_ms=1,
    published_at_ms=1,
)


@pytest.fixture
async def common(kafka_address: str, valkey: Redis, valkey_url: str, unique_name: str) -> CommonSettings:
    """One Redis is the shard and the cache; the topic has two partitions, three records in the first."""
    common = load_common(
        {
            "SHARDBOARD_KAFKA": kafka_address,
            "SHARDBOARD_SHARDS": f"s1={valkey_url}",
            "SHARDBOARD_CACHE_URL": valkey_url,
            "SHARDBOARD_ACTIONS_TOPIC": unique_name,
            "SHARDBOARD_DEAD_TOPIC": f"{unique_name}.dead",
        }
    )
    await create_topics(common, partitions=2, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_address) as producer:
        for _ in range(3):
            await producer.send_and_wait(unique_name, b"x", partition=0)
    for partition in (0, 1):
        fields: dict[Any, Any] = {"state": "owned", "epoch": 1, "next_offset": 1 - partition}
        await valkey.hset(redis_keys.progress(Partition(partition)), mapping=fields)
    await valkey.set(redis_keys.top(ALL_TIME), encode_top(TOP))
    await valkey.xadd(redis_keys.TOP_CHANGED, {"heartbeat": "1"})
    return common


async def test_lag_is_the_logs_end_less_the_shards_position(common: CommonSettings) -> None:
    status = await gather_status(Deployment({}, None, None), common)
    (shard,) = status.shards
    assert [(p.next_offset, p.end_offset, p.lag) for p in shard.partitions] == [(1, 3, 2), (0, 0, 0)]
    assert (shard.shard, shard.lag, status.problems, status.state) == ("s1", 2, (), "unknown")


async def test_the_board_is_the_caches_with_ten_rows(common: CommonSettings) -> None:
    board = (await gather_status(Deployment({}, None, None), common)).board
    assert board is not None
    assert (board.version, len(board.top), board.top[0].name) == (7, 10, "U0")
    assert board.age_ms < 60_000


async def test_a_partition_that_nobody_owns_is_a_problem(common: CommonSettings, valkey: Redis) -> None:
    await valkey.hset(redis_keys.progress(Partition(1)), "state", "copying")
    status = await gather_status(Deployment({}, None, None), common)
    assert status.problems == ("no shard owns partitions 1",)


async def test_without_kafka_positions_are_told_and_the_lag_is_unknown(
    common: CommonSettings, valkey: Redis, unique_name: str
) -> None:
    await valkey.hset(redis_keys.CLUSTER, "partitions", "2")
    environ = {
        "SHARDBOARD_KAFKA": f"127.0.0.1:{free_ports(1)[0]}",
        "SHARDBOARD_SHARDS": f"s1={common.shards[0].url}",
        "SHARDBOARD_CACHE_URL": common.cache_url,
    }
    status = await gather_status(Deployment({}, None, None), load_common(environ))
    assert [(p.next_offset, p.lag) for p in status.shards[0].partitions] == [(1, None), (0, None)]
    assert len(status.problems) == 1
    assert "Kafka at" in status.problems[0]
    assert status.board is not None


async def test_with_the_supervisor_gone_every_process_is_dead(common: CommonSettings) -> None:
    run = RunFile(
        state="up",
        supervisor=SupervisorProcess(2**22 + 1, 1),
        url="http://x",
        environment={},
        processes=(RunProcess("gateway", 1, "http://x", "up", 2),),
    )
    status = await gather_status(Deployment({}, run, Path("/nowhere")), common)
    assert status.state == "dead"
    assert [(p.name, p.pid, p.state, p.restarts) for p in status.processes] == [("gateway", None, "dead", 2)]
