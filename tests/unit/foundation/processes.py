"""Runs the tiny service as a process and reads what it says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.tidy.sources import ROOT

LONGEST_S = 30.0


@contextmanager
def tiny_service(behaviour: str, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """The process, with SHARDBOARD_<setting> set; it does not outlive the block."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    environ |= {f"SHARDBOARD_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "tests.unit.foundation.tiny_service", behaviour]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run_to_end(behaviour: str, **settings: str) -> tuple[int, str]:
    """The exit code and the log of a service that ends by itself."""
    with tiny_service(behaviour, **settings) as process:
        _, log = process.communicate(timeout=LONGEST_S)
        return process.returncode, log


def wait_ready(process: "subprocess.Popen[str]") -> None:
    """Return once the service says so; its end would be an empty line."""
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
