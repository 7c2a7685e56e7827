"""A dead letter and its marks as values: what is in it, whether it decodes by now, what was done about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from contracts import dead_letter
from contracts.ids import Offset, Partition
from contracts.record import BadRecord, Record, decode

State = Literal["open", "sending", "replayed", "dropped"]


class Mark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done about a letter: the value of a record in the topic of marks, whose key is the letter's number."""

    v: Literal[1] = 1
    state: Literal["sending", "replayed", "dropped"]
    """`sending` is written before a letter is sent: if it is the last mark, it is not known whether it was."""
    at_ms: int
    partition: int | None = None
    offset: int | None = None
    """Where in the topic of actions the record was sent to."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `number` is its offset in the topic of dead letters: it never changes."""

    number: Offset
    at_ms: int
    reason: str
    topic: str
    partition: Partition
    offset: Offset
    key: bytes | None
    value: bytes | None
    mark: Mark | None = None

    @property
    def state(self) -> State:
        """What was done about it."""
        return "open" if self.mark is None else self.mark.state

    def decoded(self) -> Record | str:
        """The record, or why it still is none."""
        try:
            return decode(self.value)
        except BadRecord as bad:
            return str(bad)


class LetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in a list."""

    number: int
    state: State
    at_ms: int
    reason: str
    topic: str
    partition: int
    offset: int
    bytes: int
    sent_to: tuple[int, int] | None
    """Partition and offset of the record that a replay wrote."""


class LetterShown(msgspec.Struct, frozen=True, kw_only=True):
    """One letter whole."""

    letter: LetterRow
    key: str | None
    value: str | None
    """As text; bytes that are no UTF-8 are shown as \\x.."""
    value_base64: bytes | None
    decodes: bool
    fault: str | None
    """Why it does not decode by now."""
    record: dict[str, Any] | None


def read_letter(record: Any, marks: Mapping[Offset, Mark]) -> Letter:
    """The letter in a record of the topic of dead letters. Headers that are missing are shown as unknown."""
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return Letter(
        number=Offset(record.offset),
        at_ms=record.timestamp,
        reason=headers.get(dead_letter.REASON, "unknown"),
        topic=headers.get(dead_letter.TOPIC, ""),
        partition=Partition(_whole(headers.get(dead_letter.PARTITION, ""))),
        offset=Offset(_whole(headers.get(dead_letter.OFFSET, ""))),
        key=record.key,
        value=record.value,
        mark=marks.get(Offset(record.offset)),
    )


def read_marks(records: Sequence[Any]) -> dict[Offset, Mark]:
    """The newest mark of each letter, from the records of the topic of marks. What is damaged marks nothing."""
    marks: dict[Offset, Mark] = {}
    for record in records:
        try:
            marks[Offset(int(record.key))] = msgspec.json.decode(record.value or b"", type=Mark)
        except (ValueError, TypeError, msgspec.MsgspecError):
            continue
    return marks


def row(letter: Letter) -> LetterRow:
    """As a list shows it."""
    mark = letter.mark
    sent_to = None if mark is None or mark.partition is None or mark.offset is None else (mark.partition, mark.offset)
    return LetterRow(
        number=letter.number,
        state=letter.state,
        at_ms=letter.at_ms,
        reason=letter.reason,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
        bytes=len(letter.value or b""),
        sent_to=sent_to,
    )


def shown(letter: Letter) -> LetterShown:
    """As `show` shows it."""
    decoded = letter.decoded()
    fault = decoded if isinstance(decoded, str) else None
    return LetterShown(
        letter=row(letter),
        key=_text(letter.key),
        value=_text(letter.value),
        value_base64=letter.value,
        decodes=fault is None,
        fault=fault,
        record=None if fault is not None else msgspec.to_builtins(decoded),
    )


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode(errors="backslashreplace")


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
