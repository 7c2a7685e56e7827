"""`shardboard db` as it is typed, on a real Postgres."""

import json
from pathlib import Path

import asyncpg
import jsonschema_rs

from contracts.exit_codes import ExitCode
from tests.support.processes import command

SCHEMAS = Path(__file__).parents[3] / "docs" / "schemas"


def schema(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SCHEMAS / name).read_text())
    return loaded


async def test_status_and_upgrade_say_what_is_missing_and_what_was_done(postgres_database: str) -> None:
    before = await command("db", "status", "--output", "json", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert before.code == ExitCode.DIFFERENT
    jsonschema_rs.validate(schema("db-status.json"), before.json)
    assert before.json["applied"] == []
    done = await command("db", "upgrade", "--output", "json", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert done.code == ExitCode.OK
    jsonschema_rs.validate(schema("db-upgrade.json"), done.json)
    assert done.json["applied"] == before.json["missing"]
    again = await command("db", "upgrade", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert (again.code, again.out) == (ExitCode.NOTHING_TO_DO, "nothing to do: the schema is up to date\n")
    after = await command("db", "status", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert after.code == ExitCode.OK
    assert after.out.splitlines() == [f"applied  {name}" for name in done.json["applied"]]


async def test_newer_schema_is_refused(postgres_database: str) -> None:
    assert (await command("db", "upgrade", SHARDBOARD_POSTGRES_URL=postgres_database)).code == ExitCode.OK
    connection = await asyncpg.connect(postgres_database)
    await connection.execute("INSERT INTO schema_version VALUES (9999, 'later', '', 0)")
    await connection.close()
    ended = await command("db", "upgrade", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert ended.code == ExitCode.REFUSED
    assert "run a newer one" in ended.err


async def test_postgres_that_is_away_is_told(tmp_path: Path) -> None:
    ended = await command("db", "status", cwd=tmp_path, SHARDBOARD_POSTGRES_URL="postgresql://board@127.0.0.1:1/board")
    assert ended.code == ExitCode.FAILED
    assert ended.err.startswith("shardboard: Postgres does not serve: ")


async def test_no_deployment_is_refused(tmp_path: Path) -> None:
    assert (await command("db", "status", cwd=tmp_path)).code == ExitCode.REFUSED
