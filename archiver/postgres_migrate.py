"""Brings a database to the schema of this version: migrations in order, each in a transaction of its own, once."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

import asyncpg

from contracts.clock import now_ms
from foundation.postgres_connect import Connection
from foundation.service import Refused

LOCK_CLASS: Final = 0x53484442
"""Keeps our advisory locks apart from those of other programs in the same database."""
_MIGRATE: Final = 1
_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE: Final = """CREATE TABLE IF NOT EXISTS schema_version (
    version integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_ms bigint NOT NULL)"""
_LOCK: Final = "SELECT pg_advisory_xact_lock($1, $2)"


@dataclass(frozen=True, slots=True)
class Migration:
    """One file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """By which a file that was changed after it was applied is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """A database beside this version's migrations."""

    applied: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_current(self) -> bool:
        """Whether the archiver can work with it."""
        return not self.missing


def migrations() -> list[Migration]:
    """This version's, in order. Their numbers are 1, 2, 3, …"""
    folder = resources.files("archiver").joinpath("sql", "migrations")
    found = sorted((file for file in folder.iterdir() if _FILE.fullmatch(file.name)), key=lambda file: file.name)
    made = [Migration(int(file.name[:4]), file.name, file.read_text(encoding="utf-8")) for file in found]
    assert [migration.version for migration in made] == list(range(1, len(made) + 1)), made
    return made


async def schema_status(connection: Connection) -> SchemaStatus:
    """What is applied. Raises Refused when the schema is newer than this version, or other than it was."""
    wanted = migrations()
    applied = await _applied(connection)
    _check(wanted, applied)
    return SchemaStatus(
        applied=tuple(migration.name for migration in wanted[: len(applied)]),
        missing=tuple(migration.name for migration in wanted[len(applied) :]),
    )


async def upgrade(connection: Connection) -> list[str]:
    """Apply what is missing; return its names. Several may call it at once, and it may be called again.

    A crash between two migrations leaves the first applied and recorded. Raises Refused as `schema_status`.
    """
    done: list[str] = []
    wanted = migrations()
    for migration in wanted:
        async with connection.transaction():
            await connection.execute(_LOCK, LOCK_CLASS, _MIGRATE)
            await connection.execute(_TABLE)
            applied = await _applied(connection)
            _check(wanted, applied)
            if len(applied) >= migration.version:
                continue
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_version VALUES ($1, $2, $3, $4)",
                migration.version,
                migration.name,
                migration.sha256,
                now_ms(),
            )
            done.append(migration.name)
    return done


async def _applied(connection: Connection) -> list[asyncpg.Record]:
    if await connection.fetchval("SELECT to_regclass('schema_version')") is None:
        return []
    return await connection.fetch("SELECT version, name, sha256 FROM schema_version ORDER BY version")


def _check(wanted: Sequence[Migration], applied: Sequence[asyncpg.Record]) -> None:
    if len(applied) > len(wanted):
        raise Refused(
            f"the database has schema version {len(applied)}, this program knows {len(wanted)}: run a newer one"
        )
    for row, migration in zip(applied, wanted, strict=False):
        if row["sha256"] != migration.sha256:
            raise Refused(f"migration {migration.name} was changed after it was applied to this database")
