"""A new shard's Redis: empty or this deployment's, and only looked at. test_rebalance_plan.py types the refusals."""

from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError
from shardboard.rebalance.new_redis import check_new_redis, without_password
from tests.support.services import StartValkey

MARK = {"deployment": "d", "topic": "t"}


async def test_an_empty_one_and_one_of_this_deployment_will_do(start_valkey: StartValkey) -> None:
    server, other = await start_valkey("new"), await start_valkey("other")
    away = "redis://127.0.0.1:9/0"
    async with Redis.from_url(server.address) as redis:
        await check_new_redis(server.address, MARK, others={"shard s1": other.address, "shard s2": away})
        assert await redis.dbsize() == 0
        mark: Any = {**MARK, "more": "x"}
        await redis.hset(redis_keys.CLUSTER, mapping=mark)
        await redis.set(redis_keys.LEASE, "a worker that has joined")
        await check_new_redis(server.address, MARK, others={"shard s1": other.address})


async def test_another_database_of_the_same_server_is_another_redis(start_valkey: StartValkey) -> None:
    server = await start_valkey("new")
    second = server.address.replace("/0", "/1")
    await check_new_redis(second, MARK, others={"shard s1": server.address})
    with pytest.raises(CommandError, match="is that of shard s1 already") as refused:
        await check_new_redis(
            server.address, MARK, others={"shard s1": server.address.replace("127.0.0.1", "localhost")}
        )
    assert refused.value.code is ExitCode.REFUSED


@pytest.mark.parametrize("url", ["http://x", "10.0.0.1:6379", "redis://host:port/0", ""])
async def test_what_is_no_address_is_a_usage_error(url: str) -> None:
    with pytest.raises(CommandError) as refused:
        await check_new_redis(url, MARK, others={})
    assert refused.value.code is ExitCode.USAGE


def test_passwords_are_not_shown() -> None:
    assert without_password("redis://ann:secret@host:6379/0") == "redis://ann:***@host:6379/0"
    assert without_password("redis://:secret@host:6379/0") == "redis://:***@host:6379/0"
    assert without_password("redis://host:6379/0") == "redis://host:6379/0"
