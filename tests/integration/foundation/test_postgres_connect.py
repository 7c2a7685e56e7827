"""Connections that neither wait for ever nor hold others up."""

import asyncio

import asyncpg
import pytest

from foundation import postgres_connect
from foundation.postgres_connect import AWAY, connect, open_pool


async def test_statement_that_does_not_end_is_given_up(postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test", command_s=0.2)
    try:
        with pytest.raises(AWAY):
            await connection.execute("SELECT pg_sleep(60)")
    finally:
        connection.terminate()


async def test_idle_transaction_ends_and_lets_its_locks_go(
    postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connect, "IDLE_IN_TRANSACTION_MS", 100)
    frozen = await connect(postgres_database, name="frozen")
    other = await connect(postgres_database, name="other")
    try:
        await other.execute("CREATE TABLE t (n integer)")
        await frozen.execute("BEGIN")
        await frozen.execute("LOCK TABLE t")
        await asyncio.wait_for(other.execute("INSERT INTO t VALUES (1)"), timeout=20)
        with pytest.raises(AWAY):
            await frozen.execute("SELECT 1")
    finally:
        frozen.terminate()
        await other.close()


async def test_server_that_is_away_is_told_by_one_of_a_few_errors(postgres_database: str) -> None:
    with pytest.raises(AWAY):
        await connect("postgresql://nobody@127.0.0.1:1/x", name="test")
    pool = await open_pool(postgres_database, name="test", connections_max=1)
    try:
        with pytest.raises(AWAY):
            await pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        assert await pool.fetchval("SELECT current_setting('application_name')") == "test"
    finally:
        pool.terminate()


async def test_defect_of_ours_is_no_absence(postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test")
    try:
        with pytest.raises(asyncpg.UndefinedTableError) as error:
            await connection.execute("SELECT * FROM missing")
        assert not isinstance(error.value, AWAY)
    finally:
        await connection.close()
