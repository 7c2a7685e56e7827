"""Progress is redrawn on a terminal, and told by lines now and then elsewhere."""

from io import StringIO

import msgspec
from rich.console import Console

from shardboard.rebalance.follow import PlanProgress
from shardboard.rebalance.watching import PLAIN_EVERY_S, Watching

PROGRESS = PlanProgress(
    plan=7, change="add s4", state="running", is_paused=False, done=0, leftovers=0, aborted=0, left=0, rows_copied=0,
    fraction=0.0, seconds=0.0, moves=(),
)  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def look(rows: int) -> PlanProgress:
    return msgspec.structs.replace(PROGRESS, rows_copied=rows)


def test_lines_come_now_and_then_and_only_when_something_is_new() -> None:
    out, clock = StringIO(), Clock()
    with Watching(Console(file=out, width=40), clock) as watching:
        watching.show(look(0), "")
        watching.show(look(10), "")
        assert out.getvalue().count("\n") == 1
        clock.now_s += PLAIN_EVERY_S
        watching.show(look(1_000), "Postgres does not answer: gone")
        assert out.getvalue().count("\n") == 2
        clock.now_s += PLAIN_EVERY_S
        watching.show(msgspec.structs.replace(look(2_000), state="done"), "")
        assert out.getvalue().count("\n") == 2, "the last line is the answer, on stdout"
    lines = out.getvalue().splitlines()
    assert lines[0] == "plan 7 (add s4): 0 of 0 moved · 0 rows/s"
    assert lines[1].endswith("500 rows/s · Postgres does not answer: gone")
    assert watching.text(msgspec.structs.replace(PROGRESS, state="done", seconds=61)).endswith("done after 1:01")


def test_a_terminal_is_redrawn_and_left_clean() -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with Watching(console, Clock()) as watching:
        watching.show(look(0), "")
        watching.show(look(5), "")
    assert out.getvalue().count("plan 7 (add s4)") >= 2
    assert "\x1b[" in out.getvalue()
