"""PostgreSQL: data survives every end, also with clients connected, and nobody gets in without the password."""

import os
import signal
from pathlib import Path

import asyncpg
import pytest

from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.server import StartFailed
from tests.support.services import StartPostgres
from tests.support.wait import wait_until


async def run(server: PostgresServer, sql: str) -> object:
    connection = await asyncpg.connect(server.address)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_makes_the_database_and_keeps_it(start_postgres: StartPostgres) -> None:
    server = await start_postgres("postgres")
    assert server.address.endswith(f"@127.0.0.1:{server.port}/shardboard")
    assert await run(server, "SELECT current_database()") == "shardboard"
    await run(server, "CREATE TABLE kept (n int)")
    await server.stop()
    assert not server.is_running()
    await server.start()
    assert await run(server, "SELECT count(*) FROM kept") == 0


async def test_a_connected_client_does_not_hold_up_its_end(start_postgres: StartPostgres) -> None:
    server = await start_postgres("postgres")
    client = await asyncpg.connect(server.address)
    await server.stop(grace_s=60)
    log = server.log_file.read_text()
    assert "received fast shutdown request" in log
    assert log.splitlines()[-1].endswith("database system is shut down")
    client.terminate()


async def test_it_starts_again_after_sigkill_with_a_client_at_work(start_postgres: StartPostgres) -> None:
    """Only the first process is killed: its backends still hold the folder for a moment."""
    server = await start_postgres("postgres")
    await run(server, "CREATE TABLE kept AS SELECT generate_series(1, 1000)")
    client = await asyncpg.connect(server.address)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await wait_until(lambda: not server.is_running(), what="its end")
    client.terminate()
    await server.start()
    assert await run(server, "SELECT count(*) FROM kept") == 1000


async def test_a_lock_that_names_another_program_is_dropped(start_postgres: StartPostgres) -> None:
    """After a crash of the machine the process id in the lock may be anybody's: here it is ours."""
    server = await start_postgres("postgres")
    lock = server.data_dir / "cluster" / "postmaster.pid"
    text = lock.read_text()
    await server.stop()
    lock.write_text(text.replace(text.splitlines()[0], str(os.getpid()), 1))
    await server.start()
    assert await run(server, "SELECT 1") == 1


async def test_two_servers_never_share_a_folder(start_postgres: StartPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardboard.embedded.postgres._LEFTOVERS_S_MAX", 0.1)
    server = await start_postgres("postgres")
    second = PostgresServer(server.data_dir, port=free_ports(1)[0])
    with pytest.raises(StartFailed, match=r"process \d+ already runs PostgreSQL on"):
        await second.start()
    assert await run(server, "SELECT 1") == 1


async def test_a_half_made_cluster_is_made_again(tmp_path: Path) -> None:
    half_made = tmp_path / "cluster.half-made"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18")
    server = PostgresServer(tmp_path, port=free_ports(1)[0])
    await server.start()
    try:
        assert await run(server, "SELECT 1") == 1
        assert not half_made.exists()
    finally:
        await server.stop()


async def test_nobody_gets_in_without_the_password(start_postgres: StartPostgres) -> None:
    server = await start_postgres("postgres")
    assert (server.data_dir / "password").stat().st_mode & 0o077 == 0
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://shardboard:guess@127.0.0.1:{server.port}/shardboard")
