"""The schema: applied once, in order, whoever tries."""

import asyncio

import asyncpg
import pytest

from archiver import postgres_migrate
from archiver.postgres_migrate import Migration, migrations, schema_status, upgrade
from foundation.postgres_connect import connect
from foundation.service import Refused


async def test_two_that_upgrade_at_once_apply_each_migration_once(postgres_database: str) -> None:
    first, second = [await connect(postgres_database, name="test") for _ in range(2)]
    try:
        assert (await schema_status(first)).missing == tuple(migration.name for migration in migrations())
        done = await asyncio.gather(upgrade(first), upgrade(second))
        assert sorted(done[0] + done[1]) == [migration.name for migration in migrations()]
        assert await upgrade(first) == []
        assert (await schema_status(second)).is_current
    finally:
        await first.close()
        await second.close()


async def test_run_that_was_cut_short_is_continued(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect(postgres_database, name="test")
    everything = migrations()
    broken = Migration(2, everything[1].name, "CREATE TABLE half (n integer); SELECT 1 / 0")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(postgres_migrate, "migrations", lambda: [everything[0], broken])
            with pytest.raises(asyncpg.DivisionByZeroError):
                await upgrade(connection)
        assert (await schema_status(connection)).applied == (everything[0].name,)
        assert await connection.fetchval("SELECT to_regclass('half')") is None
        assert await upgrade(connection) == [migration.name for migration in everything[1:]]
    finally:
        await connection.close()


async def test_changed_migration_is_refused(postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test")
    try:
        await upgrade(connection)
        await connection.execute("UPDATE schema_version SET sha256 = 'x' WHERE version = 1")
        with pytest.raises(Refused, match=r"0001_archive\.sql was changed after it was applied"):
            await schema_status(connection)
    finally:
        await connection.close()
