"""What a worker does about one partition after an answer of the shard's Redis: events in, instructions out. Pure.

The lease only decides who tries; the fence in Redis decides who writes. So every refusal leads to asking again, never
to writing anyway.
"""

from enum import Enum
from typing import Final

from contracts.ids import Epoch, Offset
from contracts.log import LogBounds
from contracts.progress import LastRecord, State
from shard_worker.replies import Absent, Ahead, Claimed, ClaimReply, Damaged, Fenced, InState, Leftover, Paused, Seek


class Instruction(Enum):
    """What to do next about a partition."""

    FOLLOW = "follow the log from the stored offset, after comparing the last record"
    CLAIM = "claim again: Redis went back, or lost the claim"
    WAIT = "wait: the partition is being moved; ask again"
    STAND_BY = "another worker holds the shard"
    READ_MAP = "the map is newer than ours"
    RESTORE = "the partition's state is gone or incomplete"
    REFUSE = "keys are damaged"


def after_claim(reply: ClaimReply) -> Instruction:
    """The answer to a claim."""
    match reply:
        case Claimed():
            return Instruction.FOLLOW
        case Absent() | InState() | Leftover():
            return Instruction.RESTORE
        case Ahead():
            return Instruction.READ_MAP
        case Paused():
            return Instruction.WAIT
        case Damaged():
            return Instruction.REFUSE


def after_refusal(reply: Fenced | Seek | Damaged, *, epoch: Epoch, writer: str, has_lease: bool) -> Instruction:
    """The answer to an apply call that wrote nothing and will not do so if called again."""
    match reply:
        case Seek():
            return Instruction.FOLLOW
        case Damaged():
            return Instruction.REFUSE
        case Fenced():
            if reply.epoch > epoch and reply.state:
                return Instruction.READ_MAP
            if not has_lease:
                return Instruction.STAND_BY
            if not reply.state:
                return Instruction.RESTORE  # lost, or moved and forgotten while our map is old
            if reply.state == State.OWNED and reply.epoch == epoch and reply.writer == writer:
                return Instruction.WAIT  # fenced at our own epoch: a move is under way
            return Instruction.CLAIM


CONCERNS_ONE: Final = frozenset({Instruction.WAIT, Instruction.READ_MAP, Instruction.RESTORE})
"""Somebody took this partition, and this one alone. All else tells of the whole Redis, or of us."""


def first_offset(bounds: LogBounds) -> Offset | None:
    """Where a partition without state may begin: only at a log that still has its first record."""
    return bounds.begin if bounds.begin == 0 else None


def log_fault(next_offset: Offset, last: LastRecord | None, *, bounds: LogBounds) -> str | None:
    """Say why the log cannot be followed from `next_offset`, as far as its bounds tell, or None."""
    if next_offset > bounds.end:
        return (
            f"offset {next_offset} was applied up to, but the log ends at {bounds.end}: "
            "it is another log, or lost its tail"
        )
    if next_offset < bounds.begin:
        return (
            f"offset {next_offset} comes next, but the log begins at {bounds.begin}: "
            "retention removed records that were never applied"
        )
    if last is None and next_offset > 0:
        return f"offset {next_offset} comes next, but no last record is stored"
    return None


def last_record_fault(last: LastRecord, found: LastRecord | None) -> str | None:
    """Say how the record at the last applied offset differs from the one that was applied, or None."""
    if found == last:
        return None
    there = found.encode() if found else "nothing"
    return f"the record applied last was {last.encode()} (offset:append time:crc32), the log has {there} there"
