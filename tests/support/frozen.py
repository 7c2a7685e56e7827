"""Freezes an embedded server with all its processes, so that its clients' connections stay open and nobody answers."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Every process that works in this folder or below stands still until the block ends."""
    pids = [pid for pid in _processes() if _works_in(pid, folder.resolve())]
    assert pids, f"no process works in {folder}"
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return (Path("/proc") / str(pid) / "cwd").readlink().is_relative_to(folder)
    except OSError:  # ended meanwhile, or another user's
        return False
