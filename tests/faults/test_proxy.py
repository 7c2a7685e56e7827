"""The proxy passes everything on, and does what each cut says."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from foundation.redis_connect import connect
from shardboard.embedded.ports import free_ports
from tests.faults.proxy import Cut, Link, Proxy, Verdict
from tests.faults.schedule import Edge
from tests.faults.wire import RedisWire
from tests.faults.wiretap import Wiretap

INCR = frozenset({"shard:INCRBY"})


@pytest.fixture
async def proxy(valkey: Redis, valkey_url: str) -> AsyncIterator[Proxy]:
    server_port = int(valkey_url.rpartition(":")[2].partition("/")[0])
    wiretap = Wiretap(dict)
    proxy = Proxy("s", port=free_ports(1)[0], upstream_port=server_port, wire=partial(RedisWire, "shard"), tap=wiretap)
    wiretap.proxies.append(proxy)
    await proxy.start()
    yield proxy
    await proxy.close()


def client(proxy: Proxy) -> Redis:
    return connect(f"redis://127.0.0.1:{proxy.port}/0", socket_timeout_s=0.5)


def wiretap_of(proxy: Proxy) -> Wiretap:
    assert isinstance(proxy.tap, Wiretap)
    return proxy.tap


async def test_large_values_pass(proxy: Proxy) -> None:
    async with client(proxy) as redis:
        await redis.set("big", b"x" * 3_000_000)
        assert len(await redis.get("big") or b"") == 3_000_000


async def test_a_reset_is_a_lost_connection_and_the_next_one_works(proxy: Proxy) -> None:
    async with client(proxy) as redis:
        await redis.ping()
        proxy.reset()
        assert not proxy.links
        with pytest.raises(RedisConnectionError):
            await redis.ping()
        assert await redis.ping()


@pytest.mark.parametrize(("edge", "counted"), [(Edge.BEFORE, None), (Edge.AFTER, b"1")])
async def test_a_drop_loses_the_request_or_its_answer(
    proxy: Proxy, valkey: Redis, edge: Edge, counted: bytes | None
) -> None:
    def strike(link: Link) -> Verdict:
        link.reset()
        return Verdict.DROP

    async with client(proxy) as redis:
        await redis.ping()
        aim = wiretap_of(proxy).aim(INCR, edge, act=strike, server="s")
        with pytest.raises(RedisConnectionError):
            await redis.incr("calls")
        assert aim.hit.done()
    assert await valkey.get("calls") == counted


async def test_a_held_request_arrives_when_it_is_released(proxy: Proxy, valkey: Redis) -> None:
    async with client(proxy) as redis:
        aim = wiretap_of(proxy).aim(INCR, Edge.BEFORE, act=lambda _: Verdict.HOLD)
        call = asyncio.ensure_future(redis.incr("calls"))
        link = await aim.hit
        assert await valkey.get("calls") is None
        assert wiretap_of(proxy).doing(server="s") == {"shard:INCRBY"}
        link.release()
        assert await call == 1


@pytest.mark.parametrize(("cut", "counted"), [(Cut.BLACK_HOLE, None), (Cut.HALF_OPEN, b"1")])
async def test_nothing_comes_back_through_a_cut(proxy: Proxy, valkey: Redis, cut: Cut, counted: bytes | None) -> None:
    async with client(proxy) as redis:
        await redis.ping()
        proxy.cut = cut
        with pytest.raises(RedisTimeoutError):
            await redis.incr("calls")
        assert await valkey.get("calls") == counted
        proxy.heal()
        assert await redis.ping()
