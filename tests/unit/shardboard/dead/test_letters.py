"""Letters and marks as they are read from their topics, damaged ones too."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from contracts.ids import ActionId, Offset, UserId
from contracts.record import HideRecord, encode
from shardboard.dead.letters import Mark, read_letter, read_marks, row, shown

GOOD = encode(HideRecord(v=1, id=ActionId("i"), user_id=UserId("a"), received_at=1, by="m", reason="r"))


@dataclass(frozen=True)
class Record:
    """As the client returns it."""

    offset: int = 7
    timestamp: int = 1_000
    key: bytes | None = b"a"
    value: bytes | None = GOOD
    headers: tuple[tuple[str, bytes], ...] = field(
        default=(("reason", b"why \xff"), ("topic", b"actions"), ("partition", b"3"), ("offset", b"44"))
    )


def mark(number: Any, value: bytes | None) -> Record:
    return Record(key=number, value=value)


def test_a_letter_tells_where_it_came_from_and_whether_it_decodes() -> None:
    letter = read_letter(Record(), {})
    assert (letter.number, letter.state, letter.topic, letter.partition, letter.offset) == (7, "open", "actions", 3, 44)
    assert letter.reason == "why \N{REPLACEMENT CHARACTER}"
    whole = shown(letter)
    assert (whole.decodes, whole.fault) == (True, None)
    assert whole.record is not None
    assert whole.record["user_id"] == "a"
    assert row(letter).bytes == len(GOOD)


def test_bytes_of_any_kind_can_be_shown() -> None:
    whole = shown(read_letter(Record(key=None, value=b"\xff{"), {}))
    assert (whole.key, whole.value, whole.value_base64, whole.decodes) == (None, "\\xff{", b"\xff{", False)
    assert whole.fault
    empty = shown(read_letter(Record(value=None), {}))
    assert (empty.value, empty.letter.bytes, empty.fault) == (None, 0, "no value")


def test_headers_that_are_missing_are_unknown_and_no_partition() -> None:
    letter = read_letter(Record(headers=()), {})
    assert (letter.reason, letter.topic, letter.partition, letter.offset) == ("unknown", "", -1, -1)


def test_the_newest_mark_counts_and_damaged_ones_mark_nothing() -> None:
    sending, done = Mark(state="sending", at_ms=1), Mark(state="replayed", at_ms=2, partition=3, offset=4)
    records = [
        mark(b"7", msgspec.json.encode(sending)),
        mark(b"7", msgspec.json.encode(done)),
        mark(b"8", b"{"),
        mark(b"x", msgspec.json.encode(done)),
        mark(None, msgspec.json.encode(done)),
        mark(b"9", None),
    ]
    marks = read_marks(records)
    assert marks == {Offset(7): done}
    letter = read_letter(Record(), marks)
    assert (letter.state, row(letter).sent_to) == ("replayed", (3, 4))
