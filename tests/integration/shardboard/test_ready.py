"""What `up` says once it is ready."""

import re
import subprocess

from tests.integration.shardboard.conftest import Here


def test_what_up_says_lets_one_act(here: Here) -> None:
    """The curl that is printed is run as printed."""
    *_, command = re.findall(r"^  curl .*\n.*$", here.up_log, re.MULTILINE)
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20)
    assert '"points":10' in answer.stdout.replace(" ", "")
    for word in (f"http://127.0.0.1:{here.port}/", "ready in", "logs", "shardboard down", "actions.toml"):
        assert word in here.up_log
