"""Child processes: output, environment, ending politely and by force, zombies, programs that cannot run."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from shardboard.embedded import child as child_module
from shardboard.embedded.child import Child, is_root, log_tail, spawn
from tests.integration.embedded.processes import is_alive
from tests.support.wait import wait_until

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("ready", grandchild.pid, flush=True)
time.sleep(600)
"""


def python(code: str, log_file: Path) -> Child:
    return spawn([sys.executable, "-c", code], log_file=log_file)


async def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "a.log"
    for word in ("one", "two"):
        child = python(f"import sys; print('{word}'); sys.stderr.write('and {word}\\n')", log)
        assert await child.wait() == 0
    assert set(log.read_text().splitlines()) == {"one", "and one", "two", "and two"}


async def test_environment_and_folder_are_the_given_ones(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    code = "import os; print(sorted(os.environ.items()), os.getcwd())"
    child = spawn([sys.executable, "-I", "-c", code], log_file=log, env={"LC_ALL": "C", "A": "1"}, cwd=tmp_path)
    assert await child.wait() == 0
    assert log.read_text().strip() == f"[('A', '1'), ('LC_ALL', 'C')] {tmp_path}"


async def test_a_polite_child_ends_by_sigterm(tmp_path: Path) -> None:
    child = python("import time; time.sleep(600)", tmp_path / "a.log")
    assert child.is_running()
    await child.stop(grace_s=10)
    assert child.exit_code == -signal.SIGTERM
    await child.stop(grace_s=10)


async def test_a_stubborn_child_is_killed_with_its_own_children(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    child = python(STUBBORN, log)
    await wait_until(lambda: "ready" in log_tail(log), what="the child's own child")
    grandchild = int(log.read_text().split()[1])
    await child.stop(grace_s=0.1)
    assert child.exit_code == -signal.SIGKILL
    await wait_until(lambda: not is_alive(grandchild), what="the end of the child's child")


async def test_a_zombie_is_not_running(tmp_path: Path) -> None:
    child = python("", tmp_path / "a.log")
    stat = Path(f"/proc/{child.pid}/stat")
    await wait_until(lambda: ") Z " in stat.read_text(), what="the child to end without being reaped")
    assert not child.is_running()
    assert child.exit_code == 0


async def test_many_may_wait_and_give_up_waiting(tmp_path: Path) -> None:
    child = python("import time; time.sleep(600)", tmp_path / "a.log")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await child.wait()
    waiting = [asyncio.create_task(child.wait()) for _ in range(2)]
    child.send_signal(signal.SIGKILL)
    assert await asyncio.gather(*waiting) == [-signal.SIGKILL, -signal.SIGKILL]


async def test_a_program_that_is_not_there_says_so_in_its_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    child = spawn([str(tmp_path / "nothing")], log_file=log)
    assert await child.wait() == 126
    assert "No such file or directory" in log_tail(log)


async def test_root_looks_like_nobody_but_its_files_stay_its_own(tmp_path: Path) -> None:
    """Another user has no need of it and stays what it is."""
    log = tmp_path / "a.log"
    code = "import os, pathlib; print(os.geteuid()); pathlib.Path('made').touch()"
    child = spawn([sys.executable, "-c", code], log_file=log, cwd=tmp_path, as_nobody=is_root())
    assert await child.wait() == 0
    assert int(log.read_text()) == (65534 if is_root() else os.geteuid())
    assert (tmp_path / "made").stat().st_uid == os.geteuid()


async def test_a_long_log_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "LOG_BYTES_MAX", 10)
    log = tmp_path / "a.log"
    for word in ("a long first line", "second"):
        assert await python(f"print('{word}')", log).wait() == 0
    assert log.read_text() == "second\n"
    assert log.with_name("a.log.1").read_text() == "a long first line\n"


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert log_tail(log) == ""
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    assert log_tail(log, lines=2) == "line 99998\nline 99999"
