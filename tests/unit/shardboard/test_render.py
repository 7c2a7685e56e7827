"""A status as a person sees it."""

from rich.console import Console

from shardboard.status.render import printable, render
from shardboard.status.report import (
    BoardStatus,
    ProcessStatus,
    RankedUser,
    Status,
    partition_status,
    shard_status,
)

STATUS = Status(
    state="up",
    url="http://127.0.0.1:8080",
    processes=(ProcessStatus("worker-s1", None, "127.0.0.1:20001", "waiting", 3),),
    shards=(
        shard_status("s1", [partition_status(n, next_offset=0, end_offset=1000 * n) for n in range(3)]),
        shard_status("s2", [partition_status(3, next_offset=0, end_offset=None)]),
    ),
    board=BoardStatus(
        period="all_time", version=1, age_ms=1234, as_of_ms=None, complete=True, stale_shards=("s1",),
        top=(RankedUser(1, "[bold]ada", "Ada", 12345),),
    ),
    problems=("Kafka at k:1 did not answer",),
)  # fmt: skip


def shown(status: Status) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as capture:
        console.print(render(status))
    return capture.get()


def test_everything_is_on_it() -> None:
    text = shown(STATUS)
    for word in ("worker-s1", "waiting", "3,000", "2: 2000", "unknown", "1.2 s old", "s1", "12,345", "Ada", "k:1"):
        assert word in text, word


def test_users_cannot_write_markup() -> None:
    assert "[bold]ada" in shown(STATUS)


def test_users_cannot_steer_the_terminal() -> None:
    assert printable("\x1b[2Jzoë ✓\r\n") == "�[2Jzoë ✓��"


def test_a_deployment_without_a_board_says_so() -> None:
    assert "board  none" in shown(Status(state="dead", url="", processes=(), shards=(), board=None, problems=()))
