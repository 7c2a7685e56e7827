"""Embedded servers as units: their end is noticed, whoever reaps them."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from shardboard.supervisor.units import ServerUnit, UnitEnded


def valkey_unit(folder: Path, *, port: int) -> ServerUnit:
    server = ValkeyServer(folder, port=port, name="cache")
    return ServerUnit(server, shown_address=server.address)


async def test_a_servers_end_is_noticed_and_it_starts_again_on_its_port(tmp_path: Path) -> None:
    unit = valkey_unit(tmp_path, port=free_ports(1)[0])
    try:
        await unit.start()
        watching = asyncio.create_task(unit.ended(), name="watching")
        first = unit.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        async with asyncio.timeout(10):
            end = await watching
        assert str(unit.log_file) in str(end)
        async with asyncio.timeout(10):
            assert isinstance(await unit.ended(), UnitEnded)
        await unit.start()
        assert unit.pid not in (None, first)
    finally:
        await unit.stop(grace_s=5)
    assert unit.pid is None


async def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    first, second = valkey_unit(tmp_path / "1", port=port), valkey_unit(tmp_path / "2", port=port)
    try:
        await first.start()
        with pytest.raises(UnitEnded, match=f"port {port} is taken"):
            await second.start()
    finally:
        await first.stop(grace_s=5)
