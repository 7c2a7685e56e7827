"""Valkey, and Debian's Redis 7 through the same class: data survives every end, trouble is told."""

import asyncio
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from shardboard.embedded.ports import LOOPBACK, free_ports
from shardboard.embedded.server import StartFailed
from shardboard.embedded.valkey import ValkeyServer
from tests.support.services import StartValkey
from tests.support.wait import wait_until


@pytest.fixture(params=["start_valkey", "start_redis7"], ids=["valkey", "redis7"])
def start(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


async def value_of(server: ValkeyServer, key: str) -> bytes | None:
    async with Redis.from_url(server.address) as client:
        found = await client.get(key)
    assert found is None or isinstance(found, bytes)
    return found


async def keep(server: ValkeyServer, key: str) -> None:
    """The server hands the write to the operating system before it answers, so only a crash of the machine loses it."""
    async with Redis.from_url(server.address) as client:
        await client.set(key, "kept")


async def test_a_clean_end_keeps_everything(start: StartValkey) -> None:
    server = await start("s1")
    await keep(server, "score")
    await server.stop()
    assert (server.pid, server.is_running()) == (None, False)
    await server.start()
    assert await value_of(server, "score") == b"kept"


async def test_it_starts_again_after_sigkill(start: StartValkey) -> None:
    server = await start("s1")
    await keep(server, "score")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await wait_until(lambda: not server.is_running(), what="its end")
    await server.start()
    assert await value_of(server, "score") == b"kept"


async def test_starting_a_running_server_does_nothing(start_valkey: StartValkey) -> None:
    server = await start_valkey("s1")
    pid = server.pid
    await server.start()
    assert server.pid == pid


async def test_it_listens_on_loopback_only(start_valkey: StartValkey) -> None:
    server = await start_valkey("s1")
    async with Redis.from_url(server.address) as client:
        assert await client.config_get("bind") == {"bind": LOOPBACK}


async def test_a_frozen_server_is_ended_by_force(start_valkey: StartValkey) -> None:
    server = await start_valkey("s1")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    await server.stop(grace_s=0.1)
    assert not server.is_running()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with socket.create_server((LOOPBACK, port)):
        server = ValkeyServer(tmp_path, port=port, name="s1")
        with pytest.raises(StartFailed, match=f"s1 did not start: port {port} is taken"):
            await server.start()
    assert not server.is_running()


async def test_broken_data_is_told_with_the_end_of_the_log(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, port=free_ports(1)[0], name="s1")
    await server.start()
    await server.stop()
    for file in (tmp_path / "appendonlydir").glob("*.rdb"):
        file.write_bytes(b"nothing that a server reads")
    with pytest.raises(StartFailed) as failed:
        await server.start()
    message = str(failed.value)
    assert message.startswith("s1 did not start: it ended with exit code 1. Its log says why.")
    assert message.endswith(server.log_file.read_text().splitlines()[-1])
    assert "Bad file format" in message
    assert not server.is_running()


async def test_a_missing_program_is_told(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, port=free_ports(1)[0], name="s1", binary=tmp_path / "nothing")
    with pytest.raises(StartFailed, match="No such file or directory"):
        await server.start()


async def test_a_cancelled_start_leaves_no_process(tmp_path: Path) -> None:
    """The program takes the place of a server that never answers."""
    mute = tmp_path / "mute"
    mute.write_text("#!/bin/sh\nexec sleep 600\n")
    mute.chmod(0o755)
    server = ValkeyServer(tmp_path, port=free_ports(1)[0], name="s1", binary=mute)
    starting = asyncio.create_task(server.start())
    await wait_until(server.is_running, what="the process")
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not server.is_running()
