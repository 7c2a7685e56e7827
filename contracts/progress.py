"""A partition's progress as it stands in the Redis of its shard: whose it is, and how far the log is applied."""

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contracts.ids import Epoch, LogMs, Offset
from contracts.log import Appended

OWNER: Final = "owner"
STATE: Final = "state"
EPOCH: Final = "epoch"
FENCED: Final = "fenced"
WRITER: Final = "writer"
TOKEN: Final = "token"  # noqa: S105  the name of a field
CHUNKS: Final = "chunks"
NEXT_OFFSET: Final = "next_offset"
LOG_MS: Final = "log_ms"
LAST: Final = "last"
POINTS: Final = "points"
"""Sum of |points| of all that was counted: an upper bound of every score, and what the auditor compares."""
COUNTED: Final = "counted"
"""Number of actions counted."""


class State(StrEnum):
    """Who may write a partition's keys, and how."""

    RESTORING = "restoring"
    COPYING = "copying"
    OWNED = "owned"


@dataclass(frozen=True, slots=True)
class LastRecord:
    """The last record applied, to recognise the log after a restart. Text form `offset:append_ms:crc32`."""

    offset: int
    append_ms: int
    crc32: int
    """CRC-32 (zlib) of key ‖ value."""

    @staticmethod
    def of(record: Appended) -> "LastRecord":
        """What is remembered of this record."""
        return LastRecord(record.offset, record.timestamp, zlib.crc32((record.key or b"") + (record.value or b"")))

    def encode(self) -> str:
        """The text form."""
        return f"{self.offset}:{self.append_ms}:{self.crc32}"

    @staticmethod
    def decode(text: str) -> "LastRecord":
        """Read the text form. Raises ValueError."""
        offset, append_ms, crc32 = text.split(":")
        return LastRecord(int(offset), int(append_ms), int(crc32))


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress hash, read."""

    owner: str
    state: State
    epoch: Epoch
    fenced: bool
    writer: str
    token: str
    chunks: int
    next_offset: Offset
    log_ms: LogMs
    last: LastRecord | None
    points: int
    counted: int


def read_progress(fields: dict[str, str]) -> Progress | None:
    """Read the hash's fields; None when there is no progress. Raises ValueError when a field is damaged."""
    if not fields:
        return None
    last = fields.get(LAST, "")
    return Progress(
        owner=fields.get(OWNER, ""),
        state=State(fields[STATE]),
        epoch=Epoch(int(fields[EPOCH])),
        fenced=fields.get(FENCED, "0") == "1",
        writer=fields.get(WRITER, ""),
        token=fields.get(TOKEN, ""),
        chunks=int(fields.get(CHUNKS, "0")),
        next_offset=Offset(int(fields.get(NEXT_OFFSET, "0"))),
        log_ms=LogMs(int(fields.get(LOG_MS, "0"))),
        last=LastRecord.decode(last) if last else None,
        points=int(fields.get(POINTS, "0")),
        counted=int(fields.get(COUNTED, "0")),
    )
