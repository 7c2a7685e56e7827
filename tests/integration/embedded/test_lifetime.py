"""No server outlives the process that started it, however that ends, and Ctrl-C in a terminal does not reach it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from shardboard.embedded.child import is_root, spawn
from tests.integration.embedded.processes import processes_of_session
from tests.support.wait import wait_until, wait_until_sync

ROOT = Path(__file__).parents[3]
KINDS = ["valkey", "postgres", "kafka"]


@contextmanager
def parent_of(kind: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A supervisor of its own process, and the process id of the server that it has started."""
    argv = [sys.executable, "-m", "tests.integration.embedded.parent", kind, str(folder)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        server = None
        try:
            assert parent.stdout is not None
            server = int(parent.stdout.readline())
            yield parent, server
        finally:
            parent.kill()
            for survivor in processes_of_session(server) if server else ():
                with suppress(ProcessLookupError):
                    os.kill(survivor, signal.SIGKILL)


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_supervisor_leaves_no_process_behind(kind: str, tmp_path: Path) -> None:
    with parent_of(kind, tmp_path) as (parent, server):
        assert server in processes_of_session(server)
        parent.kill()
        wait_until_sync(lambda: not processes_of_session(server), what=f"the end of all processes of {kind}")


def test_control_c_reaches_only_the_supervisor(tmp_path: Path) -> None:
    """A terminal sends SIGINT to the supervisor's process group; a server that ended by it would lose its clients."""
    with parent_of("valkey", tmp_path) as (parent, server):
        assert os.getpgid(server) != os.getpgid(parent.pid)
        assert os.getsid(server) != os.getsid(parent.pid)


@pytest.mark.parametrize("kind", KINDS)
async def test_servers_run_for_a_user_that_is_not_root(kind: str, tmp_path: Path) -> None:
    """Run by root, the supervisor is one that sees itself as another user without any of root's powers."""
    argv = [sys.executable, "-m", "tests.integration.embedded.parent", kind, str(tmp_path / "data")]
    log = tmp_path / "parent.log"
    parent = spawn(argv, log_file=log, cwd=ROOT, as_nobody=is_root())
    try:
        await wait_until(
            lambda: "127.0.0.1:" in log.read_text() or not parent.is_running(), timeout_s=120, what=f"{kind} to answer"
        )
        assert parent.is_running(), log.read_text()
    finally:
        await parent.stop(grace_s=0)
