"""Ends an `up` from another process: for `shardboard down`."""

import os
import select
import signal
from enum import Enum, auto
from pathlib import Path
from typing import Final

from shardboard.data_dir import DataDir
from shardboard.deployment import is_alive, read_run

ORDERLY_S_MAX: Final = 15.0
"""`up` promises 10 s; a busy machine may take longer."""


class Ending(Enum):
    """How it went."""

    NOTHING_RUNS = auto()
    NOT_PERMITTED = auto()
    ORDERLY = auto()
    KILLED = auto()


def end_supervisor(data_dir: Path, *, orderly_s_max: float = ORDERLY_S_MAX) -> Ending:
    """Ask it to end, wait, and kill it when it does not; its children die with it. Blocks."""
    folder = DataDir(data_dir)
    run = read_run(folder.run_file)
    if run is None:
        return Ending.NOTHING_RUNS
    try:
        fd = os.pidfd_open(run.supervisor.pid)
    except ProcessLookupError:
        fd = -1
    if fd < 0 or not is_alive(run.supervisor):  # looked at after the pidfd was taken: it is that very process
        folder.run_file.unlink(missing_ok=True)
        return Ending.NOTHING_RUNS
    try:
        signal.pidfd_send_signal(fd, signal.SIGTERM)
        if select.select([fd], [], [], orderly_s_max)[0]:
            return Ending.ORDERLY
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        select.select([fd], [], [], ORDERLY_S_MAX)
    except PermissionError:
        return Ending.NOT_PERMITTED
    finally:
        os.close(fd)
    folder.run_file.unlink(missing_ok=True)
    return Ending.KILLED
