"""`up`, `status`, `scores` and `down` with everything real: servers, services, signals."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from shardboard.embedded.ports import free_ports
from tests.integration.shardboard.conftest import Here
from tests.support.command import shardboard, valid
from tests.support.wait import wait_until_sync

NAMES = ["kafka", "postgres", "cache", "redis-s1", "redis-s2", "gateway", "worker-s1", "worker-s2", "merger"]


def until_all_up(here: Here) -> None:
    wait_until_sync(lambda: here.status()[0] == ExitCode.OK, timeout_s=60, what="a status without fault")


def test_status_tells_processes_lag_and_board(here: Here) -> None:
    here.act("ada")
    wait_until_sync(lambda: here.scores().get("ada", 0) > 0, timeout_s=20, what="Ada's score")
    until_all_up(here)
    status = here.status()[1]
    assert [process["name"] for process in status["processes"]] == NAMES
    assert {process["state"] for process in status["processes"]} == {"up"}
    assert sorted(p["partition"] for shard in status["shards"] for p in shard["partitions"]) == list(range(8))
    assert [shard["lag"] for shard in status["shards"]] == [0, 0]
    assert "ada" in [row["user_id"] for row in status["board"]["top"]]
    table = here.run("status")
    assert table.returncode == ExitCode.OK
    assert all(word in table.stdout for word in (*NAMES, "ada", "s2"))


def test_scores_are_the_same_in_every_output(here: Here) -> None:
    for user in ("ben", "cleo", "cleo"):
        here.act(user)
    wait_until_sync(lambda: here.scores().get("cleo") == 20, timeout_s=20, what="Cleo's score")
    document = valid(here.run("scores", "-o", "json").stdout, "scores")
    assert {row["user_id"]: row["score"] for row in document["scores"]} == here.scores()
    daily = valid(here.run("scores", "-p", "daily", "-o", "json").stdout, "scores")
    assert re.fullmatch(r"daily:\d{4}-\d\d-\d\d", daily["period"])
    assert {row["user_id"]: row["score"] for row in daily["scores"]} == here.scores()
    by_shard = [here.run("scores", "--shard", shard).stdout.splitlines() for shard in ("s1", "s2")]
    assert sum(map(len, by_shard)) == len(here.scores())
    assert "cleo" in here.run("scores", "-o", "table").stdout


def test_what_up_says_lets_one_act(here: Here) -> None:
    """The curl that is printed is run as printed."""
    command = re.search(r"^  curl .*?\n.*?$", here.up_log, re.MULTILINE)
    assert command is not None
    answer = subprocess.run(["sh", "-c", command[0]], capture_output=True, text=True, timeout=20)
    assert '"points":10' in answer.stdout.replace(" ", "")
    for word in (f"http://127.0.0.1:{here.port}/", "ready in", "logs", "shardboard down", "actions.toml"):
        assert word in here.up_log


def test_run_json_holds_no_secret_and_is_enough_to_connect(here: Here) -> None:
    text = (here.data_dir / "run.json").read_text()
    password = (here.data_dir / "postgres" / "password").read_text()
    assert password not in text
    assert (here.data_dir / "jwt-secret").read_text() not in text
    program = (
        "import asyncio, asyncpg, sys\n"
        "async def ask():\n"
        "    connection = await asyncpg.connect(sys.argv[1])\n"
        "    print(await connection.fetchval('SELECT 41 + 1'))\n"
        "    await connection.close()\n"
        "asyncio.run(ask())"
    )
    url = here.run_file().environment["SHARDBOARD_POSTGRES_URL"]
    answer = subprocess.run([sys.executable, "-c", program, url], capture_output=True, text=True, timeout=20)
    assert answer.stdout == "42\n", answer.stderr


def test_a_taken_port_is_named_with_its_holder_and_the_option(here: Here, tmp_path: Path) -> None:
    answer = shardboard("up", "--port", str(here.port), cwd=tmp_path)
    assert answer.returncode == ExitCode.REFUSED
    assert f"port {here.port} is taken by process {here.process('gateway').pid} " in answer.stderr
    assert f"--port {here.port + 1}" in answer.stderr


def test_a_second_up_on_the_same_folder_is_refused_with_the_pid(here: Here) -> None:
    answer = here.run("up", "--port", str(free_ports(1)[0]))
    assert answer.returncode == ExitCode.REFUSED
    assert f"process {here.run_file().supervisor.pid} already runs" in answer.stderr


@pytest.mark.parametrize("name", ["worker-s2", "redis-s1"])
def test_a_killed_process_is_started_again_and_reported(here: Here, name: str) -> None:
    before = here.process(name)
    assert before.pid is not None
    os.kill(before.pid, signal.SIGKILL)
    wait_until_sync(lambda: here.process(name).restarts > before.restarts, timeout_s=30, what="a restart")
    until_all_up(here)
    after = here.process(name)
    assert (after.state, after.restarts) == ("up", before.restarts + 1)
    assert after.pid not in (None, before.pid)
    assert re.search(rf"{name} +ended .*starting again in 1 s", here.up_log)
    assert re.search(rf"{name} +up again", here.up_log)
    user = f"after-{name}"
    here.act(user)
    wait_until_sync(lambda: here.scores().get(user) == 10, timeout_s=30, what="scores after the restart")


def test_nothing_survives_a_killed_supervisor_and_the_next_up_goes_on(here: Here) -> None:
    """What was acknowledged is there afterwards, on the same ports, and `up` is soon back."""
    here.act("dora")
    wait_until_sync(lambda: here.scores().get("dora") == 10, timeout_s=20, what="Dora's score")
    scores, before = here.scores(), here.run_file()
    os.kill(before.supervisor.pid, signal.SIGKILL)
    wait_until_sync(lambda: here.survivors() == [], timeout_s=10, what="every process to be gone")
    code, status = here.status()
    assert (code, status["state"]) == (ExitCode.FAILED, "dead")
    assert {process["state"] for process in status["processes"]} == {"dead"}
    here.up_ok()
    after = here.run_file()
    assert [p.address for p in after.processes] == [p.address for p in before.processes]
    assert [p.internal for p in after.processes] == [p.internal for p in before.processes]
    wait_until_sync(lambda: here.scores() == scores, timeout_s=30, what="the same scores")


def test_what_the_deployment_was_made_with_cannot_be_changed(here: Here) -> None:
    assert here.run("down").returncode == ExitCode.OK
    for words in (("--partitions", "16"), ("--shards", "3")):
        answer = here.up(*words)
        assert answer.returncode == ExitCode.REFUSED
        assert " ".join(words) in answer.stdout
    answer = shardboard("up", "--port", str(here.port), cwd=here.folder, environ={"SHARDBOARD_PERIODS": "all_time"})
    assert answer.returncode == ExitCode.REFUSED
    assert "SHARDBOARD_PERIODS" in answer.stderr
    here.up_ok()


def test_down_ends_everything_in_time_and_twice_is_nothing_to_do(here: Here) -> None:
    answer = here.run("down")
    assert (answer.returncode, answer.stdout) == (ExitCode.OK, "down\n")
    assert here.survivors() == []
    took = re.findall(r"All down in ([\d.]+) s", here.up_log)
    assert float(took[-1]) < 10
    assert not (here.data_dir / "run.json").exists()
    assert here.run("down").returncode == ExitCode.NOTHING_TO_DO
    assert here.run("status").returncode == ExitCode.REFUSED
    here.up_ok("--fresh")
    assert here.scores() == {}
