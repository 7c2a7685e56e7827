"""What a live stream sends next: the newest board only, and only when what can be seen of it changed. Pure."""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.board_bytes import BoardAnswer

_encoder = msgspec.json.Encoder()

HELLO: Final = b": connected\n\n"
"""Sent at once, so that a client with the current board knows that it is connected."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One state of a board on the wire: the same bytes object for every client."""

    serial: int
    version: int
    data: bytes
    seen: tuple[object, ...]
    """What a reader of the page would see; two frames with the same are the same to them."""
    is_stale: bool


def first_frame(answer: BoardAnswer, body: bytes) -> Frame:
    """The frame of a board that nobody followed so far."""
    return _frame(answer, body, serial=1)


def next_frame(last: Frame, answer: BoardAnswer, *, body: bytes) -> Frame:
    """The frame to send after `last`, which is `last` itself while nothing visible changed."""
    return last if _seen(answer) == last.seen else _frame(answer, body, serial=last.serial + 1)


def beat_bytes(answer: BoardAnswer) -> bytes:
    """A sign of life that scripts can see (they cannot see comments), with the board's newest position."""
    data = _encoder.encode(
        {"period": answer.period, "version": answer.version, "as_of": answer.as_of, "stale": answer.stale}
    )
    return b"event: heartbeat\ndata: %b\n\n" % data


def farewell_bytes(retry_ms: int) -> bytes:
    """Asks the client to come back after `retry_ms`; each gets another, or all would come at once."""
    return b"retry: %d\n\n" % retry_ms


@dataclass(slots=True)
class Cursor:
    """How far one client is. Only the newest frame counts: a slow client skips what it missed."""

    sent_serial: int = 0
    owes_beat: bool = False

    def resume(self, frame: Frame, last_event_id: bytes) -> None:
        """The client says which version it has. A stale board is sent again all the same, and stale ones have no id,
        so that a client never goes on showing one as stale that is fresh again."""
        if not frame.is_stale and last_event_id == b"%d" % frame.version:
            self.sent_serial = frame.serial

    def take(self, frame: Frame, beat: bytes) -> bytes | None:
        """What to send now, or None to wait."""
        if frame.serial != self.sent_serial:
            self.sent_serial = frame.serial
            self.owes_beat = False
            return frame.data
        if self.owes_beat:
            self.owes_beat = False
            return beat
        return None


def _frame(answer: BoardAnswer, body: bytes, *, serial: int) -> Frame:
    event_id = b"" if answer.stale else b" %d" % answer.version
    return Frame(
        serial=serial,
        version=answer.version,
        data=b"event: board\nid:%b\ndata: %b\n\n" % (event_id, body),
        seen=_seen(answer),
        is_stale=answer.stale,
    )


def _seen(answer: BoardAnswer) -> tuple[object, ...]:
    return (answer.period, answer.complete, answer.stale, answer.stale_shards, answer.entries)
