"""The shared servers answer, and tests that share them get what is theirs alone."""

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis

from tests.support.services import StartValkey, missing


async def test_kafka_serves_a_topic_of_its_own(kafka_address: str, unique_name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(unique_name, num_partitions=3, replication_factor=1)])
        (topic,) = await admin.describe_topics([unique_name])
        assert len(topic["partitions"]) == 3
    finally:
        await admin.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_each_test_gets_an_emptied_redis(any_redis: Redis, time: str) -> None:
    assert await any_redis.dbsize() == 0
    await any_redis.set("left-by", time)


async def test_both_kinds_of_redis_run(valkey: Redis, redis7: Redis) -> None:
    assert (await valkey.info("server"))["server_name"] == "valkey"
    assert (await redis7.info("server"))["redis_version"].startswith("7.")


async def test_a_redis_never_evicts_and_writes_its_log_every_second(any_redis: Redis) -> None:
    wanted = {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec"}
    assert await any_redis.config_get(*wanted) == wanted


async def test_each_test_gets_a_new_database(postgres_database: str, unique_name: str) -> None:
    connection = await asyncpg.connect(postgres_database)
    try:
        assert await connection.fetchval("SELECT current_database()") == unique_name
        assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_a_test_may_start_and_end_its_own_server(start_valkey: StartValkey) -> None:
    s1, s2 = await start_valkey("s1"), await start_valkey("s2")
    assert s1.address != s2.address
    await s1.stop()
    assert (s1.is_running(), s2.is_running()) == (False, True)


def test_a_missing_program_is_skipped_here_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="redis-server is missing"):
        missing("redis-server", "install it")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="redis-server is missing"):
        missing("redis-server", "install it")
