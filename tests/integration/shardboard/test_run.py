"""A deployment as `up` runs it: what it tells, what it restarts, what survives it."""

import os
import re
import signal
import subprocess
import sys

import pytest

from contracts.exit_codes import ExitCode
from tests.integration.shardboard.conftest import Here, until_all_up
from tests.support.wait import wait_until_sync


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
