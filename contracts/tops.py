"""What travels from shards to the screen: ShardTop (worker → cache → merger) and GlobalTop (merger → cache → gateway).

Layout version 1, msgpack. A change adds a version, its golden bytes in tests/contract, and a line here.
"""

from typing import Final, Literal

import msgspec

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId
from contracts.ranking import TopRow

SHARD_TOP_ROWS_DEFAULT: Final = 100
"""K: rows a shard publishes per board."""
GLOBAL_TOP_ROWS: Final = 100
"""Rows of a global board: the largest `limit` of GET /leaderboard."""


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far one partition's log is contained in what is published."""

    partition: Partition
    epoch: Epoch
    next_offset: Offset
    log_ms: LogMs
    is_catching_up: bool = False
    """Its rows are carried from an earlier publication, because the Redis behind it went back."""


class Floor(msgspec.Struct, frozen=True, array_like=True):
    """A place in the board's order below which rows of the shard may be missing."""

    score: int
    scored_at: LogMs
    user_id: str


class ShardBoard(msgspec.Struct, frozen=True):
    """A shard's best rows on one board, in board order."""

    period: PeriodId
    rows: tuple[TopRow, ...]
    floor: Floor | None = None
    """None: the rows are all there is."""


class ShardTop(msgspec.Struct, frozen=True, kw_only=True):
    """All local tops of one shard at one moment."""

    v: Literal[1] = 1
    shard: ShardId
    incarnation: int
    """max(previous + 1, unix ms) at the worker's start: a lost counter never looks old."""
    sequence: int
    map_version: int
    published_at_ms: int
    positions: tuple[Position, ...]
    boards: tuple[ShardBoard, ...]

    @property
    def order(self) -> tuple[int, int]:
        """Which of two tops of a shard is newer: the larger."""
        return (self.incarnation, self.sequence)


class GlobalTop(msgspec.Struct, frozen=True, kw_only=True):
    """One merged board. Versions grow over all boards of a deployment and never go back."""

    v: Literal[1] = 1
    period: PeriodId
    version: int
    """max(previous + 1, unix ms)."""
    positions: tuple[Position, ...]
    rows: tuple[TopRow, ...]
    ranks: tuple[int, ...]
    complete: bool
    """False: rows are missing below the last one shown, the shards were asked for more."""
    as_of_ms: int | None
    """Log time of the newest action that the board's shards had applied; None on a board without any."""
    published_at_ms: int
    stale_shards: tuple[ShardId, ...] = ()
    """Shards whose newest rows cannot be had at the moment."""


_encoder = msgspec.msgpack.Encoder()
_shard_top_decoder = msgspec.msgpack.Decoder(ShardTop)
_global_top_decoder = msgspec.msgpack.Decoder(GlobalTop)


def encode_top(top: ShardTop | GlobalTop) -> bytes:
    """The bytes in the cache."""
    return _encoder.encode(top)


def decode_shard_top(data: bytes) -> ShardTop:
    """Read a ShardTop. Raises msgspec.MsgspecError when damaged or of another version."""
    return _shard_top_decoder.decode(data)


def decode_global_top(data: bytes) -> GlobalTop:
    """Read a GlobalTop. Raises msgspec.MsgspecError when damaged or of another version."""
    return _global_top_decoder.decode(data)
