"""The command as it is typed, where no server is needed."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

from contracts.exit_codes import ExitCode
from shardboard.cli.app import COMMANDS
from tests.support.command import SCHEMAS, shardboard, valid

GROUPS = {"config": ("show", "check"), "docs": ("metrics", "commands", "api"), "topics": ("create",)}
WORDS = [
    *((name,) for name in COMMANDS if name not in GROUPS),
    *((g, sub) for g, subs in GROUPS.items() for sub in subs),
]
HEAVY = ("aiokafka", "redis", "asyncpg", "fastapi", "uvicorn", "aiohttp", "numpy", "jwt")


def test_help_lists_every_command_and_loads_no_client_library(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom shardboard.cli.app import main\nsys.argv[1:] = ['--help']\n"
        f"try: main()\nfinally: print('loaded', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert answer.stdout.rstrip().endswith("loaded []")
    assert all(f" {name} " in answer.stdout for name in COMMANDS)


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
def test_every_commands_help_teaches_by_an_example(tmp_path: Path, words: tuple[str, ...]) -> None:
    answer = shardboard(*words, "--help", cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "Example" in answer.stdout


def test_an_unknown_command_is_a_usage_error(tmp_path: Path) -> None:
    assert shardboard("upp", cwd=tmp_path).returncode == ExitCode.USAGE


def test_version(tmp_path: Path) -> None:
    found = valid(shardboard("version", "-o", "json", cwd=tmp_path).stdout, "version")
    assert f"shardboard {found['shardboard']}" in shardboard("version", cwd=tmp_path).stdout


@pytest.mark.parametrize("command", ["status", "scores"])
def test_no_deployment_is_refused_in_one_line_that_helps(tmp_path: Path, command: str) -> None:
    answer = shardboard(command, cwd=tmp_path)
    assert (answer.returncode, answer.stdout) == (ExitCode.REFUSED, "")
    assert "shardboard up" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_down_where_nothing_runs_has_nothing_to_do(tmp_path: Path) -> None:
    assert shardboard("down", cwd=tmp_path).returncode == ExitCode.NOTHING_TO_DO


@pytest.mark.parametrize("period", ["hourly", "daily:2026-02-30", "monthly"])
def test_scores_of_a_board_that_cannot_be_are_a_usage_error(tmp_path: Path, period: str) -> None:
    environ = {"SHARDBOARD_SHARDS": "s1=redis://127.0.0.1:1/0"}
    answer = shardboard("scores", "--period", period, cwd=tmp_path, environ=environ)
    assert answer.returncode == ExitCode.USAGE
    assert "--period" in answer.stderr


def test_what_cannot_be_reached_is_told_as_unknown(tmp_path: Path) -> None:
    environ = {
        "SHARDBOARD_SHARDS": "s1=redis://127.0.0.1:1/0",
        "SHARDBOARD_KAFKA": "127.0.0.1:1",
        "SHARDBOARD_CACHE_URL": "redis://127.0.0.1:1/0",
    }
    answer = shardboard("status", "-o", "json", cwd=tmp_path, environ=environ)
    assert answer.returncode == ExitCode.UNKNOWN
    problems = " ".join(valid(answer.stdout, "status")["problems"])
    assert all(word in problems for word in ("Kafka at", "shard s1", "the cache at"))
    assert shardboard("scores", cwd=tmp_path, environ=environ).returncode == ExitCode.UNKNOWN


def test_topics_without_kafka_fail(tmp_path: Path) -> None:
    answer = shardboard("topics", "create", cwd=tmp_path, environ={"SHARDBOARD_KAFKA": "127.0.0.1:1"})
    assert answer.returncode == ExitCode.FAILED
    assert "Kafka at 127.0.0.1:1" in answer.stderr


def test_topics_are_created_and_then_there_is_nothing_to_do(
    tmp_path: Path, kafka_address: str, unique_name: str
) -> None:
    environ = {
        "SHARDBOARD_KAFKA": kafka_address,
        "SHARDBOARD_ACTIONS_TOPIC": unique_name,
        "SHARDBOARD_DEAD_TOPIC": f"{unique_name}.dead",
    }
    words = ("topics", "create", "--partitions", "4", "--replication", "1", "-o", "json")
    first = shardboard(*words, cwd=tmp_path, environ=environ)
    assert first.returncode == ExitCode.OK, first.stderr
    assert sorted(valid(first.stdout, "topics-create")["created"]) == [unique_name, f"{unique_name}.dead"]
    second = shardboard(*words, cwd=tmp_path, environ=environ)
    assert second.returncode == ExitCode.NOTHING_TO_DO
    assert valid(second.stdout, "topics-create")["created"] == []


@pytest.mark.parametrize("path", sorted(SCHEMAS.glob("*.json")), ids=lambda path: str(path.stem))
def test_every_schema_is_one(path: Path) -> None:
    jsonschema_rs.meta.validate(json.loads(path.read_text()))
