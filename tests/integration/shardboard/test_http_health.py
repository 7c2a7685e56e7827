"""Health as a real internal port tells it, and what is no health."""

import asyncio
import socket

import pytest
from prometheus_client import CollectorRegistry

from foundation.http_internal import InternalPort, Readiness
from foundation.settings import Address
from shardboard.http_health import Health, read_health


@pytest.mark.parametrize("is_ready", [True, False])
async def test_readiness_and_its_detail_are_read(is_ready: bool) -> None:
    port = InternalPort(CollectorRegistry(), lambda: Readiness(is_ready, {"shard": "s1"}))
    await port.start(Address("127.0.0.1", 0))
    try:
        health = await asyncio.to_thread(read_health, "127.0.0.1", port.port)
    finally:
        await port.close()
    assert health == Health(is_ready, {"status": "ready" if is_ready else "not ready", "shard": "s1"})


def test_nobody_there_is_no_health() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert read_health("127.0.0.1", port) is None


def test_silence_is_no_health() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert read_health("127.0.0.1", server.getsockname()[1], timeout_s=0.1) is None


async def test_another_protocol_is_no_health() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"-ERR unknown command\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await asyncio.to_thread(read_health, "127.0.0.1", port) is None
