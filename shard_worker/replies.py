"""What the function library answers, as values. Pure: `parse_…` read what the client library returned."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from contracts.ids import Epoch, LogMs, Offset, PeriodId
from contracts.progress import LastRecord

Rows = dict[PeriodId, list[Any]]
"""Per board: user, score, scored_at, user, score, scored_at, …"""
_decode: Final = msgspec.msgpack.Decoder().decode


class BadReply(Exception):
    """The function library answered something that it never says: another library under our name."""


@dataclass(frozen=True, slots=True)
class Applied:
    """All written. Rows at or above the K-th score that was passed; boards whose top must be read anew."""

    rows: Rows
    stale: tuple[PeriodId, ...]


@dataclass(frozen=True, slots=True)
class Fenced:
    """Nothing written: the partition is not this writer's, or not ready."""

    state: str
    epoch: Epoch
    is_fenced: bool
    writer: str


@dataclass(frozen=True, slots=True)
class Seek:
    """Nothing written: the partition stands at another offset."""

    next_offset: Offset


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Nothing written: these ids counted before. Numbers of ids in the batch, from 0."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Capped:
    """Nothing written: these actions are over their limits. Numbers of ids in the batch, from 0."""

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class OutOfBounds:
    """Nothing written: a score would reach 2^53."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """Nothing written: a key has another type than the engine gives it."""

    key: str
    found: str
    expected: str


ApplyReply = Applied | Fenced | Seek | Duplicates | Capped | OutOfBounds | Damaged


@dataclass(frozen=True, slots=True)
class Claimed:
    """The partition is this writer's, and stands here."""

    next_offset: Offset
    log_ms: LogMs
    last: LastRecord | None


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no progress: the partition must be restored."""


@dataclass(frozen=True, slots=True)
class InState:
    """The partition is being restored or copied."""

    state: str


@dataclass(frozen=True, slots=True)
class Ahead:
    """The partition was given away at a newer epoch: our map is old."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Leftover:
    """The state is of before the shard became the owner: another shard has had the partition since."""

    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Paused:
    """The partition is fenced at our own epoch: somebody moves it."""


ClaimReply = Claimed | Absent | InState | Ahead | Leftover | Paused | Damaged


def parse_apply(raw: Any) -> ApplyReply:
    """Read the answer of `sb1_apply`. Raises BadReply."""
    match raw:
        case [b"OK", rows, stale]:
            return Applied(_decode(rows) or {}, tuple(_decode(stale)))
        case [b"FENCED", state, epoch, is_fenced, writer]:
            return Fenced(_text(state), Epoch(int(epoch)), is_fenced == b"1", _text(writer))
        case [b"SEEK", next_offset]:
            return Seek(Offset(int(next_offset)))
        case [b"DUPLICATES", *numbers]:
            return Duplicates(tuple(number - 1 for number in numbers))
        case [b"CAPPED", *numbers]:
            return Capped(tuple(number - 1 for number in numbers))
        case [b"BOUNDS"]:
            return OutOfBounds()
        case [b"DAMAGED", *details]:
            return Damaged(*map(_text, details))
    raise BadReply(f"apply answered {raw!r}")


def parse_claim(raw: Any) -> ClaimReply:
    """Read the answer of `sb1_claim`. Raises BadReply."""
    match raw:
        case [b"CLAIMED", next_offset, log_ms, last]:
            mark = LastRecord.decode(_text(last)) if last else None
            return Claimed(Offset(int(next_offset)), LogMs(int(log_ms)), mark)
        case [b"ABSENT"]:
            return Absent()
        case [b"STATE", state]:
            return InState(_text(state))
        case [b"AHEAD", epoch]:
            return Ahead(Epoch(int(epoch)))
        case [b"LEFTOVER", epoch]:
            return Leftover(Epoch(int(epoch)))
        case [b"PAUSED"]:
            return Paused()
        case [b"DAMAGED", *details]:
            return Damaged(*map(_text, details))
    raise BadReply(f"claim answered {raw!r}")


def _text(raw: bytes) -> str:
    return raw.decode()
