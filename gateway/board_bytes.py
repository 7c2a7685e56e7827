"""A board as bytes: the JSON body and its ETag, made once per change and shared by every reader. Pure."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from contracts.ids import PeriodId
from contracts.tops import GLOBAL_TOP_ROWS, GlobalTop

_NO_CACHE: Final = (b"cache-control", b"no-cache")


class BoardEntry(msgspec.Struct, frozen=True):
    """One row: equal scores share a rank (1, 2, 2, 4)."""

    rank: int
    user_id: str
    name: str | None
    score: int
    previous_rank: int | UnsetType | None = UNSET
    """The rank when the last closed day ended: on that day's board for a daily one, on this board for others. null: not
    there then, or not among the first hundred that are noted; absent: not known, or nothing to compare with."""


class BoardAnswer(msgspec.Struct, frozen=True):
    """A board as GET /leaderboard and the stream give it."""

    period: str
    version: int
    """Grows with every change; a board with a lower version than one already seen is old."""
    as_of: int | None
    """Unix ms of log time of the newest action that the board's shards had applied; null before the first."""
    complete: bool
    stale: bool
    """The board may be behind: part of the system has not been heard of for some seconds."""
    stale_shards: tuple[str, ...]
    entries: tuple[BoardEntry, ...]


@dataclass(frozen=True, slots=True)
class ReadyBoard:
    """What a GET is answered with."""

    etag: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    headers_unchanged: tuple[tuple[bytes, bytes], ...]
    """Of a 304."""


_encoder = msgspec.json.Encoder()


def empty_board(period: PeriodId) -> GlobalTop:
    """The board of a period that nobody has written yet: version 0, older than any."""
    return GlobalTop(
        period=period, version=0, positions=(), rows=(), ranks=(), complete=True, as_of_ms=None, published_at_ms=0
    )


@dataclass(frozen=True, slots=True)
class PreviousRanks:
    """Ranks of a board's users some time ago."""

    ranks: Mapping[str, int | None] = field(default_factory=dict)
    are_first_rows: bool = False
    """Whether these are the board's first hundred: who is not among them was not there. Else that is not known."""

    def of(self, user_id: str, rank: int) -> int | UnsetType | None:
        """The rank then of a user who has this one now. Where the first hundred were noted, nothing is known of those
        who are below them now as well."""
        return self.ranks.get(user_id, None if self.are_first_rows and rank <= GLOBAL_TOP_ROWS else UNSET)


NO_PREVIOUS: Final = PreviousRanks()


def answer_of(top: GlobalTop, limit: int, *, is_behind: bool, previous: PreviousRanks = NO_PREVIOUS) -> BoardAnswer:
    """The first `limit` rows of a board."""
    return BoardAnswer(
        period=top.period,
        version=top.version,
        as_of=top.as_of_ms,
        complete=top.complete,
        stale=is_behind or bool(top.stale_shards),
        stale_shards=top.stale_shards,
        entries=tuple(
            BoardEntry(rank, row.user_id, row.name, row.score, previous.of(row.user_id, rank))
            for rank, row in zip(top.ranks[:limit], top.rows[:limit], strict=True)
        ),
    )


def ready_board(top: GlobalTop, limit: int, *, is_behind: bool, previous: PreviousRanks = NO_PREVIOUS) -> ReadyBoard:
    """The bytes of a board, with headers."""
    body = _encoder.encode(answer_of(top, limit, is_behind=is_behind, previous=previous))
    # Gateways learn ranks of before at different moments: the tag is that of what is shown.
    mark = (".s" if is_behind else "") + ("" if previous is NO_PREVIOUS else f".{zlib.crc32(body):08x}")
    etag = f'"{top.period}.{top.version}.{limit}{mark}"'.encode()
    tagged = ((b"etag", etag), _NO_CACHE)
    return ReadyBoard(
        etag=etag,
        body=body,
        headers=((b"content-type", b"application/json"), *tagged, (b"content-length", b"%d" % len(body))),
        headers_unchanged=tagged,
    )


def matches(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the client has this version already: weak comparison with a list of tags, or `*` (RFC 9110 §13.1.2)."""
    if if_none_match == etag or if_none_match.strip() == b"*":
        return True
    # Our tags hold no comma, so that a tag of ours in the list stands between commas.
    return any(tag.strip().removeprefix(b"W/") == etag for tag in if_none_match.split(b","))
