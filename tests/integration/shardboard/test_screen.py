"""What `up` shows on a terminal and in a pipe, and what Ctrl-C does there."""

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contracts.exit_codes import ExitCode
from shardboard.deployment import read_run
from shardboard.embedded.ports import free_ports
from tests.integration.shardboard.conftest import Here
from tests.support.wait import wait_until_sync


@dataclass
class Terminal:
    """`up` in the foreground of a terminal, and what is on it."""

    process: "subprocess.Popen[bytes]"
    keyboard: int
    shown: bytearray = field(default_factory=bytearray)

    def press_ctrl_c(self) -> None:
        os.write(self.keyboard, b"\x03")

    def follow(self) -> None:
        with suppress(OSError):  # the terminal closes with its last process
            while data := os.read(self.keyboard, 65536):
                self.shown += data


@contextmanager
def terminal(folder: Path, *words: str) -> Iterator[Terminal]:
    keyboard, screen = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    process = subprocess.Popen(
        [sys.executable, "-c", _AS_FOREGROUND, *words],
        cwd=folder,
        env={**plain, "TERM": "xterm-256color", "COLUMNS": "100"},
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
    )
    os.close(screen)
    shown = Terminal(process, keyboard)
    following = threading.Thread(target=shown.follow)
    following.start()
    try:
        yield shown
    finally:
        process.kill()
        process.wait()
        following.join()
        os.close(keyboard)


# Makes the terminal the controlling one, as a shell does, so that Ctrl-C is a signal.
_AS_FOREGROUND = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execv(sys.executable, [sys.executable, '-m', 'shardboard', *sys.argv[1:]])"
)


@pytest.fixture
def new(tmp_path: Path) -> Here:
    return Here(tmp_path, free_ports(1)[0])


def state_of(here: Here) -> str:
    run = read_run(here.data_dir / "run.json")
    return run.state if run else ""


def test_a_terminal_shows_each_process_and_ctrl_c_ends_all_in_order(new: Here) -> None:
    words = ("up", "--shards", "1", "--partitions", "4", "--no-demo", "--port", str(new.port))
    with terminal(new.folder, *words) as shown:
        wait_until_sync(lambda: b"Let Ada act" in shown.shown, timeout_s=120, what="the board to be live")
        text = shown.shown.decode(errors="replace")
        for name in ("kafka", "postgres", "cache", "redis-s1", "gateway", "worker-s1", "merger"):
            assert name in text
        assert "✔" in text
        shown.press_ctrl_c()
        wait_until_sync(lambda: shown.process.poll() is not None, timeout_s=20, what="the end")
        assert shown.process.returncode == ExitCode.OK
        assert "All down in" in shown.shown.decode(errors="replace")
    assert new.survivors() == []
    assert not (new.data_dir / "run.json").exists()


def test_ctrl_c_while_starting_ends_all_and_a_second_one_at_once(new: Here) -> None:
    words = ("up", "--shards", "1", "--no-demo", "--port", str(new.port))
    with terminal(new.folder, *words) as shown:
        wait_until_sync(lambda: state_of(new) == "starting", timeout_s=30, what="the start to begin")
        os.kill(shown.process.pid, signal.SIGSTOP)
        # Both wait while it is stopped: SIGTERM is taken as the first request, Ctrl-C as the second.
        shown.process.send_signal(signal.SIGTERM)
        shown.press_ctrl_c()
        os.kill(shown.process.pid, signal.SIGCONT)
        wait_until_sync(lambda: shown.process.poll() is not None, timeout_s=5, what="the end at once")
        assert shown.process.returncode == ExitCode.STALLED
    wait_until_sync(lambda: new.survivors() == [], timeout_s=10, what="every process to be gone")
    with terminal(new.folder, *words) as shown:
        wait_until_sync(lambda: state_of(new) == "starting", timeout_s=30, what="the start to begin")
        shown.press_ctrl_c()
        wait_until_sync(lambda: shown.process.poll() is not None, timeout_s=20, what="the end")
        assert shown.process.returncode == ExitCode.OK
    assert new.survivors() == []
