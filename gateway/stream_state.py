"""What a live stream sends next: the newest board only, and only when what can be seen of it changed; who came and went
since the board that the client has; its own user's place. Pure."""

from dataclasses import dataclass, field
from typing import Final

import msgspec

from gateway.board_bytes import BoardAnswer

_encoder = msgspec.json.Encoder()

HELLO: Final = b": connected\n\n"
"""Sent at once, so that a client with the current board knows that it is connected."""


EVENT_ID_CHARS_MAX: Final = 64
FRAMES_KEPT_MAX: Final = 64
"""Boards that a client may have and still be told who came and went since: a minute of changes each second. A frame has
some KB. Who has an older one is told of the gap."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One state of a board on the wire: the same bytes object for every client."""

    serial: int
    version: int
    data: bytes
    seen: tuple[object, ...]
    """What a reader of the page would see; two frames with the same are the same to them."""
    is_stale: bool
    answer: BoardAnswer


class Trail:
    """The last frames of one topic. One owner; the bytes made for clients with the same frame are one object."""

    def __init__(self, frame: Frame) -> None:
        self._frames: dict[int, Frame] = {}
        self._made: dict[int, bytes] = {}
        self.add(frame)

    def add(self, frame: Frame) -> None:
        """The newest frame."""
        self._made.clear()
        self._frames[frame.serial] = frame
        if len(self._frames) > FRAMES_KEPT_MAX:
            del self._frames[next(iter(self._frames))]

    def find(self, event_id: bytes) -> Frame | None:
        """The newest frame that was sent under this id. Stale ones have none."""
        for frame in reversed(self._frames.values()):
            if not frame.is_stale and event_id == b"%d" % frame.version:
                return frame
        return None

    def since(self, serial: int, frame: Frame) -> bytes:
        """What a client with the frame `serial` is sent: who came and went, then the newest board."""
        made = self._made.get(serial)
        if made is None:
            known = self._frames.get(serial)
            before = gap_bytes(b"") if known is None else changes_bytes(known.answer, frame.answer)
            made = self._made[serial] = before + frame.data
        return made


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


def changes_bytes(before: BoardAnswer, after: BoardAnswer) -> bytes:
    """An event for each user who entered or left the rows of the same board. They have no id: who loses the connection
    right after them is told again with the board."""
    if before.period != after.period:
        return b""
    was, is_now = ({entry.user_id for entry in answer.entries} for answer in (before, after))
    entered = [
        {"period": after.period, "user_id": entry.user_id, "name": entry.name, "rank": entry.rank, "score": entry.score}
        for entry in after.entries
        if entry.user_id not in was
    ]
    left = [
        {"period": after.period, "user_id": entry.user_id, "name": entry.name}
        for entry in before.entries
        if entry.user_id not in is_now
    ]
    events = [("entered_top", data) for data in entered] + [("left_top", data) for data in left]
    return b"".join(event_bytes(name, data) for name, data in events)


def event_bytes(name: str, data: object) -> bytes:
    """One event without an id."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encoder.encode(data))


def gap_bytes(event_id: bytes) -> bytes:
    """The board that the client has is not known any more: it may have missed events, not the state that follows."""
    return event_bytes("gap", {"since": event_id.decode(errors="replace")[:EVENT_ID_CHARS_MAX] or None})


@dataclass(slots=True)
class Cursor:
    """How far one client is. Only the newest frame counts: a slow client skips what it missed."""

    sent_serial: int = 0
    owes_beat: bool = False
    own: bytes = b""
    """The newest about the client's own user that was not sent yet."""
    gap: bytes = field(default=b"", repr=False)

    def resume(self, frame: Frame, last_event_id: bytes, *, trail: Trail | None = None) -> None:
        """The client says which version it has. A stale board is sent again all the same, and stale ones have no id,
        so that a client never goes on showing one as stale that is fresh again."""
        if not frame.is_stale and last_event_id == b"%d" % frame.version:
            self.sent_serial = frame.serial
        elif last_event_id and trail is not None:
            known = trail.find(last_event_id)
            if known is None:
                self.gap = gap_bytes(last_event_id)
            else:
                self.sent_serial = known.serial

    def take(self, frame: Frame, beat: bytes, *, trail: Trail | None = None) -> bytes | None:
        """What to send now, or None to wait."""
        if frame.serial != self.sent_serial:
            is_first, self.owes_beat = self.sent_serial == 0, False
            board = frame.data if is_first or trail is None else trail.since(self.sent_serial, frame)
            self.sent_serial = frame.serial
            before, self.gap = self.gap, b""
            own, self.own = self.own, b""
            return before + board + own if before or own else board
        if self.own:
            own, self.own = self.own, b""
            return own
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
        answer=answer,
    )


def _seen(answer: BoardAnswer) -> tuple[object, ...]:
    return (answer.period, answer.complete, answer.stale, answer.stale_shards, answer.entries)
