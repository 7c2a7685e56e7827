"""What is done about each answer of the shard's Redis, and which logs are refused."""

import pytest

from contracts.ids import Epoch, LogMs, Offset
from contracts.log import LogBounds
from contracts.progress import LastRecord
from shard_worker.partition_state import (
    Instruction,
    after_claim,
    after_refusal,
    first_offset,
    last_record_fault,
    log_fault,
)
from shard_worker.replies import Absent, Ahead, Claimed, ClaimReply, Damaged, Fenced, InState, Leftover, Paused, Seek


@pytest.mark.parametrize(
    ("reply", "instruction"),
    [
        (Claimed(Offset(1), LogMs(1), None), Instruction.FOLLOW),
        (Absent(), Instruction.RESTORE),
        (InState("copying"), Instruction.RESTORE),
        (Ahead(Epoch(9)), Instruction.READ_MAP),
        (Leftover(Epoch(2)), Instruction.RESTORE),
        (Paused(), Instruction.WAIT),
        (Damaged("k", "list", "zset"), Instruction.REFUSE),
    ],
)
def test_answers_to_a_claim(reply: ClaimReply, instruction: Instruction) -> None:
    assert after_claim(reply) is instruction


@pytest.mark.parametrize(
    ("reply", "has_lease", "instruction"),
    [
        (Seek(Offset(5)), True, Instruction.FOLLOW),
        (Damaged("k", "list", "zset"), True, Instruction.REFUSE),
        (Fenced("owned", Epoch(4), False, "me"), True, Instruction.READ_MAP),
        (Fenced("owned", Epoch(4), False, "me"), False, Instruction.READ_MAP),
        (Fenced("owned", Epoch(3), False, "other"), True, Instruction.CLAIM),
        (Fenced("owned", Epoch(3), False, "other"), False, Instruction.STAND_BY),
        (Fenced("owned", Epoch(2), False, "me"), True, Instruction.CLAIM),
        (Fenced("owned", Epoch(3), True, "me"), True, Instruction.WAIT),
        (Fenced("", Epoch(0), False, ""), True, Instruction.RESTORE),
        (Fenced("", Epoch(0), False, ""), False, Instruction.STAND_BY),
        (Fenced("restoring", Epoch(3), False, "me"), True, Instruction.CLAIM),
    ],
)
def test_answers_to_an_apply_call(reply: Fenced | Seek | Damaged, has_lease: bool, instruction: Instruction) -> None:
    assert after_refusal(reply, epoch=Epoch(3), writer="me", has_lease=has_lease) is instruction


LAST = LastRecord(9, 1000, 77)


@pytest.mark.parametrize(
    ("next_offset", "last", "begin", "end", "fault"),
    [
        (10, LAST, 0, 10, None),
        (10, LAST, 10, 30, None),
        (0, None, 0, 0, None),
        (10, LAST, 0, 9, "lost its tail"),
        (10, LAST, 11, 30, "retention removed"),
        (10, None, 0, 30, "no last record"),
    ],
)
def test_logs_that_cannot_be_followed(
    *, next_offset: int, last: LastRecord | None, begin: int, end: int, fault: str | None
) -> None:
    found = log_fault(Offset(next_offset), last, bounds=LogBounds(Offset(begin), Offset(end)))
    assert found is None if fault is None else found is not None and fault in found


def test_fresh_partition_begins_only_where_the_log_is_whole() -> None:
    assert first_offset(LogBounds(Offset(0), Offset(9))) == 0
    assert first_offset(LogBounds(Offset(3), Offset(9))) is None


def test_last_record_is_compared_whole() -> None:
    assert last_record_fault(LAST, LastRecord(9, 1000, 77)) is None
    assert "9:1000:78" in str(last_record_fault(LAST, LastRecord(9, 1000, 78)))
    assert "nothing" in str(last_record_fault(LAST, None))
