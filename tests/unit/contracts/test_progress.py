"""A partition's progress is read from its hash, and a damaged one is told."""

import pytest

from contracts.ids import Epoch, LogMs, Offset
from contracts.progress import LastRecord, Progress, State, read_progress

FIELDS = {
    "owner": "s1",
    "state": "owned",
    "epoch": "7",
    "fenced": "1",
    "writer": "w",
    "token": "t",
    "chunks": "3",
    "next_offset": "4712",
    "log_ms": "1795507200456",
    "last": "4711:1795507200456:3735928559",
    "points": "90",
    "counted": "9",
}


def test_all_fields_are_read() -> None:
    assert read_progress(FIELDS) == Progress(
        owner="s1",
        state=State.OWNED,
        epoch=Epoch(7),
        fenced=True,
        writer="w",
        token="t",
        chunks=3,
        next_offset=Offset(4712),
        log_ms=LogMs(1_795_507_200_456),
        last=LastRecord(4711, 1_795_507_200_456, 0xDEADBEEF),
        points=90,
        counted=9,
    )


def test_no_fields_are_no_progress() -> None:
    assert read_progress({}) is None


def test_a_new_partition_has_only_state_and_epoch() -> None:
    progress = read_progress({"state": "copying", "epoch": "1"})
    assert progress is not None
    assert (progress.state, progress.fenced, progress.next_offset, progress.last) == (State.COPYING, False, 0, None)


@pytest.mark.parametrize(
    ("field", "value"), [("state", "lost"), ("epoch", "x"), ("next_offset", ""), ("last", "1:2"), ("last", "1:2:x")]
)
def test_a_damaged_field_is_told(field: str, value: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_progress({**FIELDS, field: value})


def test_the_last_record_survives_its_text_form() -> None:
    last = LastRecord(0, 1, 2**32 - 1)
    assert LastRecord.decode(last.encode()) == last
