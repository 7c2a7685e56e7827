"""Answers of the function library as values."""

import msgspec
import pytest

from contracts.ids import Epoch, LogMs, Offset, PeriodId
from contracts.progress import LastRecord
from shard_worker.replies import (
    Absent,
    Ahead,
    Applied,
    BadReply,
    Capped,
    Claimed,
    Damaged,
    Duplicates,
    Fenced,
    InState,
    OutOfBounds,
    Paused,
    Seek,
    parse_apply,
    parse_claim,
)

pack = msgspec.msgpack.encode
ROWS: dict[PeriodId, list[object]] = {PeriodId("all_time"): ["ü", 2**53 - 1, 5]}


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ([b"OK", pack(ROWS), pack(["d"])], Applied(ROWS, (PeriodId("d"),))),
        ([b"OK", pack([]), pack([])], Applied({}, ())),
        ([b"FENCED", b"owned", b"3", b"1", b"me"], Fenced("owned", Epoch(3), True, "me")),
        ([b"SEEK", b"17"], Seek(Offset(17))),
        ([b"DUPLICATES", 1, 3], Duplicates((0, 2))),
        ([b"CAPPED", 2], Capped((1,))),
        ([b"BOUNDS"], OutOfBounds()),
        ([b"DAMAGED", b"k", b"list", b"zset"], Damaged("k", "list", "zset")),
    ],
)
def test_answers_to_apply(raw: object, reply: object) -> None:
    assert parse_apply(raw) == reply


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ([b"CLAIMED", b"5", b"9", b"4:8:7"], Claimed(Offset(5), LogMs(9), LastRecord(4, 8, 7))),
        ([b"CLAIMED", b"0", b"0", b""], Claimed(Offset(0), LogMs(0), None)),
        ([b"ABSENT"], Absent()),
        ([b"STATE", b"copying"], InState("copying")),
        ([b"AHEAD", b"4"], Ahead(Epoch(4))),
        ([b"PAUSED"], Paused()),
        ([b"DAMAGED", b"k", b"list", b"hash"], Damaged("k", "list", "hash")),
    ],
)
def test_answers_to_claim(raw: object, reply: object) -> None:
    assert parse_claim(raw) == reply


def test_what_the_library_never_says_is_an_error() -> None:
    for parse in (parse_apply, parse_claim):
        with pytest.raises(BadReply):
            parse([b"SURPRISE"])
