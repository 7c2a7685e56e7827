"""Claims partitions and compares each with the log: what can be followed, what is being moved, what is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from contracts.progress import LastRecord
from foundation.service import Refused
from shard_worker.kafka_reader import KafkaReader
from shard_worker.ownership import Right
from shard_worker.partition_state import (
    Instruction,
    after_claim,
    first_offset,
    last_record_fault,
    log_fault,
)
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import Absent, Claimed, ClaimReply, Leftover
from shard_worker.restore_steps import Cause, Loss


@dataclass(slots=True)
class Taken:
    """What came of claiming some partitions; each is in one of the three."""

    claims: dict[Partition, Claimed] = field(default_factory=dict)
    waiting: dict[Partition, str] = field(default_factory=dict)
    """Being moved, or given away at a newer epoch than our map knows; with the answer that says so."""
    lost: dict[Partition, Loss] = field(default_factory=dict)


async def take(
    shard: ShardRedis,
    reader: KafkaReader,
    *,
    rights: Mapping[Partition, Right],
    bounds: Mapping[Partition, LogBounds],
    may_begin: bool,
) -> Taken:
    """Claim partitions by the map. `may_begin`: one without any state begins at once where the log does, if that is its
    first record; else it is lost, and whoever restores it looks into the archive first.

    Raises Refused when keys are damaged, RedisError, KafkaError.
    """
    taken = Taken()
    for partition, right in sorted(rights.items()):
        begin = first_offset(bounds[partition]) if may_begin else None
        reply = await shard.claim(partition, right.epoch, begin=begin, since=right.since)
        match after_claim(reply):
            case Instruction.FOLLOW:
                assert isinstance(reply, Claimed)
                taken.claims[partition] = reply
            case Instruction.WAIT | Instruction.READ_MAP:
                taken.waiting[partition] = str(reply)
            case Instruction.RESTORE:
                taken.lost[partition] = Loss(_cause_of(reply))
            case _:
                raise Refused(f"partition {partition} cannot be served: {reply}")
    if taken.claims:
        # Anew: until the claim, whoever served the partition applied what was appended since `bounds`.
        await _compare_with_log(reader, taken, bounds=await reader.bounds(taken.claims))
    return taken


async def _compare_with_log(reader: KafkaReader, taken: Taken, *, bounds: Mapping[Partition, LogBounds]) -> None:
    """Move to `lost` what this log does not continue."""
    marks: dict[Partition, LastRecord] = {}
    for partition, claim in list(taken.claims.items()):
        bound = bounds[partition]
        fault = log_fault(claim.next_offset, claim.last, bounds=bound)
        if fault is not None:
            cause = Cause.GAP if claim.next_offset < bound.begin else Cause.OTHER_LOG
            _lose(taken, partition, loss=Loss(cause, fault))
        elif claim.last is not None and claim.last.offset >= bound.begin:
            marks[partition] = claim.last
    found = await reader.find({partition: Offset(mark.offset) for partition, mark in marks.items()})
    for partition, mark in marks.items():
        fault = last_record_fault(mark, found[partition])
        if fault is not None:
            _lose(taken, partition, loss=Loss(Cause.OTHER_LOG, fault))


def _cause_of(reply: ClaimReply) -> Cause:
    if isinstance(reply, Absent):
        return Cause.ABSENT
    return Cause.LEFTOVER if isinstance(reply, Leftover) else Cause.UNFINISHED


def _lose(taken: Taken, partition: Partition, *, loss: Loss) -> None:
    claim = taken.claims.pop(partition)
    taken.lost[partition] = replace(loss, given_up=claim.next_offset)
