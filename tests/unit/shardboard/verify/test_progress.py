"""What is shown of a replay that goes on."""

import io

import pytest

from shardboard.verify.progress import ReplayProgress, progress_line


@pytest.mark.parametrize(
    ("done", "total", "seconds", "line"),
    [
        (0, 0, 0.0, "0 of 0 records, 0/s"),
        (5_000, 20_000, 2.0, "5,000 of 20,000 records (25 %), 2,500/s, 6 s left"),
        (30_000, 20_000, 3.0, "30,000 of 30,000 records (100 %), 10,000/s"),
    ],
)
def test_share_rate_and_time_left(done: int, total: int, seconds: float, line: str) -> None:
    assert progress_line(done, total, seconds=seconds) == line


def test_a_pipe_gets_no_control_characters() -> None:
    out = io.StringIO()
    progress = ReplayProgress(out)
    progress.start(10)
    progress.counted(10)
    progress.end()
    assert "\x1b" not in out.getvalue()
