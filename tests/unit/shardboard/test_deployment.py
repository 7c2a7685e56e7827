"""Which deployment a command is about."""

import os
from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError
from shardboard.data_dir import DataDir, Stored
from shardboard.deployment import (
    RunFile,
    SupervisorProcess,
    find_deployment,
    is_alive,
    load_environment,
    read_run,
    started_ticks,
)

RUN = RunFile(
    state="up",
    supervisor=SupervisorProcess(os.getpid(), started_ticks(os.getpid()) or 0),
    url="http://127.0.0.1:9000",
    environment={"SHARDBOARD_KAFKA": "127.0.0.1:20001"},
    processes=(),
)


def test_the_data_folder_names_it(tmp_path: Path) -> None:
    RUN.write(tmp_path / "run.json")
    found = find_deployment(tmp_path, {"SHARDBOARD_KAFKA": "elsewhere:1", "SHARDBOARD_LOG": "debug"})
    assert (found.run, found.url) == (RUN, "http://127.0.0.1:9000")
    assert found.environ == {"SHARDBOARD_KAFKA": "127.0.0.1:20001", "SHARDBOARD_LOG": "debug"}
    assert load_environment(tmp_path) == RUN.environment


def test_without_an_option_the_environment_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".shardboard").mkdir()
    RUN.write(tmp_path / ".shardboard" / "run.json")
    by_environment = find_deployment(None, {"SHARDBOARD_URL": "https://board.example"})
    assert (by_environment.run, by_environment.url) == (None, "https://board.example")
    assert find_deployment(None, {"SHARDBOARD_LOG": "debug"}).run == RUN


def test_no_deployment_is_refused_with_the_ways_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"shardboard up.*--data-dir.*SHARDBOARD_KAFKA") as refused:
        find_deployment(tmp_path, {})
    assert refused.value.code is ExitCode.REFUSED
    assert load_environment(tmp_path) == {}


def test_one_that_does_not_run_is_told_apart(tmp_path: Path) -> None:
    DataDir(tmp_path).store(Stored(partitions=1, shards=1, periods="all_time"))
    with pytest.raises(CommandError, match="is not running"):
        find_deployment(tmp_path, {})


def test_a_damaged_run_file_is_not_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(CommandError) as unknown:
        read_run(tmp_path / "run.json")
    assert unknown.value.code is ExitCode.UNKNOWN


def test_a_later_process_with_the_same_id_is_not_the_supervisor() -> None:
    assert is_alive(RUN.supervisor)
    assert not is_alive(SupervisorProcess(RUN.supervisor.pid, RUN.supervisor.started - 1))
    assert started_ticks(2**22 + 1) is None
