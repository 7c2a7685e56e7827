"""What a status means."""

from dataclasses import dataclass, field

import msgspec
import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import ShardId
from shardboard.status.report import (
    BOARD_STALE_MS,
    BoardStatus,
    ProcessStatus,
    Status,
    exit_code,
    partition_status,
    shard_status,
)

BOARD = BoardStatus(
    period="all_time", version=1, age_ms=BOARD_STALE_MS, as_of_ms=None, complete=True, stale_shards=(), top=()
)


@dataclass
class Case:
    expected: ExitCode
    states: tuple[str, ...] = ("up", "up")
    board: BoardStatus | None = BOARD
    problems: tuple[str, ...] = field(default=())


@pytest.mark.parametrize(
    "case",
    [
        Case(ExitCode.OK),
        Case(ExitCode.OK, states=()),
        Case(ExitCode.STALLED, states=("up", "not-ready")),
        Case(ExitCode.STALLED, states=("up", "starting")),
        Case(ExitCode.STALLED, board=None),
        Case(ExitCode.STALLED, board=msgspec.structs.replace(BOARD, age_ms=BOARD_STALE_MS + 1)),
        Case(ExitCode.STALLED, board=msgspec.structs.replace(BOARD, stale_shards=(ShardId("s1"),))),
        Case(ExitCode.UNKNOWN, problems=("Kafka did not answer",)),
        Case(ExitCode.UNKNOWN, states=("up", "not-ready"), problems=("Kafka did not answer",)),
        Case(ExitCode.FAILED, states=("up", "waiting")),
        Case(ExitCode.FAILED, states=("refused", "up")),
        Case(ExitCode.FAILED, states=("dead", "dead"), board=None, problems=("Kafka did not answer",)),
    ],
)
def test_the_exit_code_is_the_most_urgent_that_is_known(case: Case) -> None:
    processes = tuple(ProcessStatus(f"p{n}", n, "", state, 0) for n, state in enumerate(case.states))
    status = Status(state="up", url="", processes=processes, shards=(), board=case.board, problems=case.problems)
    assert exit_code(status) is case.expected


def test_a_shards_lag_is_the_sum_and_unknown_if_a_part_is() -> None:
    known = partition_status(1, next_offset=5, end_offset=9)
    ahead = partition_status(2, next_offset=5, end_offset=4)
    unknown = partition_status(3, next_offset=5, end_offset=None)
    assert (known.lag, ahead.lag, unknown.lag) == (4, 0, None)
    assert shard_status("s1", [known, ahead]).lag == 4
    assert shard_status("s1", [known, unknown]).lag is None
    assert shard_status("s1", []).lag == 0
