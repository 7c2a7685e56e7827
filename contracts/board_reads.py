"""What gateways ask a shard of its boards, and what they are told: the functions of shard_worker/lua/80_read.lua.

All are read-only, name their partitions, and answer False for one that is not there: it moved, or is being restored.
"""

from typing import Any, Final, Generic, TypeVar

import msgspec

from contracts.ids import LogMs, Offset, PeriodId, UserId

STANDING: Final = "sb1_standing"
COUNT_BETTER: Final = "sb1_count_better"
PAGE: Final = "sb1_page"
TIES: Final = "sb1_ties"
COUNTED: Final = "sb1_counted"
_Told = TypeVar("_Told")


class Part(msgspec.Struct, Generic[_Told], frozen=True, array_like=True):
    """One partition's part of an answer, of one moment: all of it is exact at `next_offset`."""

    next_offset: Offset
    log_ms: LogMs
    users: int
    """How many the board has there."""
    told: _Told


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """One user's place in his own partition."""

    score: int
    scored_at: LogMs
    better: int
    """Users of the partition with a higher score."""
    above: int | bool
    """The lowest score above; False: there is none."""
    is_hidden: bool
    """The score is parked: the user is on no board."""


class Better(msgspec.Struct, frozen=True, array_like=True):
    """About each score that was asked for."""

    counts: tuple[int, ...]
    above: tuple[int | bool, ...]


class Row(msgspec.Struct, frozen=True, array_like=True):
    """One user as a page shows him."""

    user_id: UserId
    score: int
    scored_at: LogMs
    name: str | bool = False
    """False: the partition does not keep it."""


class Page(msgspec.Struct, frozen=True, array_like=True):
    """Some rows beyond a cursor, nearest first."""

    rows: tuple[Row, ...]
    state: str
    """`end`, `more`, or `ties`: so many have `score` that TIES must read them; no row then."""
    score: int


class Ties(msgspec.Struct, frozen=True, array_like=True):
    """The nearest rows of one chunk of equal scores."""

    rows: tuple[Row, ...]
    last: UserId | bool
    """Ask on after this user; False: that was all."""


_encode = msgspec.msgpack.Encoder().encode
decode_standings: Final = msgspec.msgpack.Decoder(list[Part[tuple[Standing | bool, ...]] | bool]).decode
decode_better: Final = msgspec.msgpack.Decoder(list[Part[Better] | bool]).decode
decode_pages: Final = msgspec.msgpack.Decoder(list[Part[Page] | bool]).decode
decode_counted: Final = msgspec.msgpack.Decoder(list[Part[tuple[bool, ...]] | bool]).decode
decode_ties: Final = msgspec.msgpack.Decoder(list[Part[Ties] | bool]).decode


def encode_query(period: PeriodId, **query: Any) -> bytes:
    """The one argument of every function; lists stand in the order of the call's partitions."""
    return _encode({"period": period, **query})
