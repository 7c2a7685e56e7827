"""The status of a deployment as values, and what it means for the exit code. Pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.exit_codes import ExitCode

BOARD_STALE_MS: Final = 5_000
"""The merger writes at every change and beats every second; five beats missed are no accident."""
TOP_ROWS: Final = 10


class ProcessStatus(msgspec.Struct, frozen=True):
    """One process of the deployment. States: those of the supervisor, `not-ready` and `dead`."""

    name: str
    pid: int | None
    address: str
    state: str
    restarts: int


class PartitionStatus(msgspec.Struct, frozen=True):
    """How far a partition is counted. The end is null when Kafka did not answer."""

    partition: int
    next_offset: int
    end_offset: int | None
    lag: int | None


class ShardStatus(msgspec.Struct, frozen=True):
    """The partitions that a shard owns; lag is null when it could not be told."""

    shard: str
    lag: int | None
    partitions: tuple[PartitionStatus, ...]


class RankedUser(msgspec.Struct, frozen=True):
    """A row of the board."""

    rank: int
    user_id: str
    name: str | None
    score: int


class BoardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The board of all time as the cache holds it."""

    period: str
    version: int | None
    age_ms: int
    """Since the merger was last heard of, by the cache's clock."""
    as_of_ms: int | None
    """Log time of the newest action on it."""
    complete: bool
    stale_shards: tuple[str, ...]
    top: tuple[RankedUser, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told. `state` is `unknown` for a deployment that `up` does not run."""

    state: str
    url: str
    processes: tuple[ProcessStatus, ...]
    shards: tuple[ShardStatus, ...]
    board: BoardStatus | None
    problems: tuple[str, ...]
    """What could not be told, and why."""


def shard_status(shard: str, partitions: Sequence[PartitionStatus]) -> ShardStatus:
    """Sum a shard up."""
    lags = [partition.lag for partition in partitions]
    known = [lag for lag in lags if lag is not None]
    return ShardStatus(shard, sum(known) if len(known) == len(lags) else None, tuple(partitions))


def partition_status(partition: int, *, next_offset: int, end_offset: int | None) -> PartitionStatus:
    """The lag is never below 0: the end was asked for a moment before or after the position."""
    lag = None if end_offset is None else max(0, end_offset - next_offset)
    return PartitionStatus(partition, next_offset, end_offset, lag)


def exit_code(status: Status) -> ExitCode:
    """The worst that is known, most urgent first."""
    states = {process.state for process in status.processes}
    if states & {"dead", "waiting", "refused", "stopped"}:
        return ExitCode.FAILED
    if status.problems:
        return ExitCode.UNKNOWN
    is_stale = status.board is None or status.board.age_ms > BOARD_STALE_MS or bool(status.board.stale_shards)
    if states & {"starting", "not-ready"} or is_stale:
        return ExitCode.STALLED
    return ExitCode.OK
