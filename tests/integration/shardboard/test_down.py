"""`down`."""

import re

from contracts.exit_codes import ExitCode
from tests.integration.shardboard.conftest import Here


def test_down_ends_everything_in_time_and_twice_is_nothing_to_do(here: Here) -> None:
    answer = here.run("down")
    assert (answer.returncode, answer.stdout) == (ExitCode.OK, "down\n")
    assert here.survivors() == []
    took = re.findall(r"All down in ([\d.]+) s", here.up_log)
    assert float(took[-1]) < 10
    assert not (here.data_dir / "run.json").exists()
    assert here.run("down").returncode == ExitCode.NOTHING_TO_DO
    assert here.run("status").returncode == ExitCode.REFUSED
    here.up_ok("--fresh")
    assert here.scores() == {}
