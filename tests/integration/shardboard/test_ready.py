"""What `up` says once it is ready."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.shardboard.conftest import Here


def test_what_up_says_lets_one_act(here: Here) -> None:
    """The curl that is printed is run as printed."""
    *_, command = re.findall(r"^  curl .*\n.*$", here.up_log, re.MULTILINE)
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20)
    assert '"points":10' in answer.stdout.replace(" ", "")
    for word in (f"http://127.0.0.1:{here.port}/", "ready in", "logs", "shardboard down", "actions.toml"):
        assert word in here.up_log


@pytest.mark.parametrize("more", ["", f"{Path(sys.executable).parent}:"], ids=["venv apart", "venv in PATH"])
def test_the_command_can_be_typed_as_it_is_shown(more: str) -> None:
    """Whether or not the shell searches the virtual environment."""
    environ = {**os.environ, "PATH": f"{more}/usr/bin:/bin"}
    ask = "from shardboard.supervisor.ready import typed_command; print(typed_command())"
    shown = subprocess.run([sys.executable, "-c", ask], env=environ, capture_output=True, text=True, check=True)
    command = f"{shown.stdout.strip()} version"
    typed = subprocess.run(["sh", "-c", command], env=environ, capture_output=True, text=True, timeout=60)
    assert (typed.returncode, typed.stderr) == (0, "")
    assert typed.stdout
