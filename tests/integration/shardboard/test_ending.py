"""Ending an `up` from another process: real processes stand in the run file as the supervisor."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shardboard.deployment import RunFile, SupervisorProcess, started_ticks
from shardboard.supervisor.ending import Ending, end_supervisor

PROGRAM = "import signal, sys; signal.signal(signal.SIGTERM, {}); print('here', flush=True); signal.pause()"
WAITS = PROGRAM.format("lambda *_: sys.exit(0)")
IGNORES = PROGRAM.format("signal.SIG_IGN")


@contextmanager
def supervisor(program: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        write_run(folder, process.pid, started=started_ticks(process.pid) or 0)
        try:
            yield process
        finally:
            process.kill()


def write_run(folder: Path, pid: int, *, started: int) -> None:
    RunFile(state="up", supervisor=SupervisorProcess(pid, started), url="", environment={}, processes=()).write(
        folder / "run.json"
    )


def test_it_is_asked_and_waited_for(tmp_path: Path) -> None:
    with supervisor(WAITS, tmp_path) as process:
        assert end_supervisor(tmp_path) is Ending.ORDERLY
        assert process.wait() == 0


def test_one_that_does_not_listen_is_killed_in_the_end(tmp_path: Path) -> None:
    with supervisor(IGNORES, tmp_path) as process:
        assert end_supervisor(tmp_path, orderly_s_max=0.2) is Ending.KILLED
        assert process.wait() == -9
    assert not (tmp_path / "run.json").exists()


def test_a_process_that_only_has_the_same_id_is_spared(tmp_path: Path) -> None:
    with supervisor(WAITS, tmp_path) as process:
        write_run(tmp_path, process.pid, started=1)
        assert end_supervisor(tmp_path) is Ending.NOTHING_RUNS
        assert process.poll() is None
    assert not (tmp_path / "run.json").exists()


def test_a_run_file_without_its_process_is_cleared_away(tmp_path: Path) -> None:
    write_run(tmp_path, 2**22 + 1, started=1)
    assert end_supervisor(tmp_path) is Ending.NOTHING_RUNS
    assert not (tmp_path / "run.json").exists()
    assert end_supervisor(tmp_path) is Ending.NOTHING_RUNS
