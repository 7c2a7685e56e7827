"""What all `rebalance` commands share: without a map they say what is missing; the shell completes names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from contracts.exit_codes import ExitCode
from shardboard.cli.rebalance import app
from shardboard.cli.rebalance_session import complete_shard, who_is_at_work
from tests.support.processes import command
from tests.support.rebalance_ground import RebalanceGround

SHARDS = {"SHARDBOARD_SHARDS": "s1=redis://127.0.0.1:9/0,s12=redis://127.0.0.1:9/1"}


async def test_without_postgres_nothing_moves_and_that_is_said() -> None:
    refused = await command("rebalance", "status", cwd=None, **SHARDS)
    assert (refused.code, "SHARDBOARD_POSTGRES_URL is not set" in refused.err) == (ExitCode.REFUSED, True)


async def test_postgres_that_does_not_answer_is_a_failure() -> None:
    away = {"SHARDBOARD_POSTGRES_URL": "postgresql://nobody@127.0.0.1:9/none"}
    failed = await command("rebalance", "pause", cwd=None, **SHARDS, **away)
    assert (failed.code, "Postgres does not serve" in failed.err) == (ExitCode.FAILED, True)


async def test_a_database_without_the_schema_is_refused(postgres_database: str) -> None:
    refused = await command("rebalance", "status", cwd=None, **SHARDS, SHARDBOARD_POSTGRES_URL=postgres_database)
    assert (refused.code, "shardboard db upgrade" in refused.err) == (ExitCode.REFUSED, True)


async def test_a_plan_that_never_was_is_not_waited_for(ground: RebalanceGround) -> None:
    assert (await ground.run("wait", "99")).code == ExitCode.USAGE


def test_every_command_teaches_by_an_example() -> None:
    def commands(group: Any, path: str) -> Iterator[tuple[str, str]]:
        for name, each in group.commands.items():
            yield f"{path} {name}", each.help
            if hasattr(each, "commands"):
                yield from commands(each, f"{path} {name}")

    taught = dict(commands(get_command(app), "shardboard rebalance"))
    assert len(taught) == 20
    assert [name for name, text in taught.items() if f"  {name}" not in text] == []


async def test_the_shell_completes_commands_and_shards() -> None:
    async def completed(words: str) -> list[str]:
        environ = {
            "_SHARDBOARD_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split(" ")) - 1),
        }
        return (await command(cwd=None, **SHARDS, **environ)).out.split()

    assert await completed("shardboard reb") == ["rebalance"]
    assert await completed("shardboard rebalance plan re") == ["remove", "replace"]
    assert await completed("shardboard rebalance plan remove s1") == ["s1", "s12"]


def test_shards_are_completed_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHARDBOARD_SHARDS", raising=False)
    assert complete_shard("") == []
    monkeypatch.setenv("SHARDBOARD_SHARDS", SHARDS["SHARDBOARD_SHARDS"])
    assert complete_shard("s") == ["s1", "s12"]
    assert complete_shard("s12") == ["s12"]


def test_the_history_knows_who_is_at_work() -> None:
    assert "@" in who_is_at_work()
