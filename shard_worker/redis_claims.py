"""Claims partitions and compares each with the log: what can be followed, what is being moved, what is lost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from contracts.ids import Epoch, Offset, Partition
from contracts.progress import LastRecord
from foundation.logs import get_log
from foundation.service import Refused
from shard_worker.kafka_reader import KafkaReader
from shard_worker.partition_state import (
    Instruction,
    LogBounds,
    after_claim,
    first_offset,
    last_record_fault,
    log_fault,
)
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import Absent, Claimed
from shard_worker.restore_steps import Cause, Loss


@dataclass(slots=True)
class Taken:
    """What came of claiming some partitions; each is in one of the three."""

    claims: dict[Partition, Claimed] = field(default_factory=dict)
    waiting: set[Partition] = field(default_factory=set)
    lost: dict[Partition, Loss] = field(default_factory=dict)


async def take(
    shard: ShardRedis,
    reader: KafkaReader,
    *,
    epochs: Mapping[Partition, Epoch],
    bounds: Mapping[Partition, LogBounds],
    may_begin: bool,
) -> Taken:
    """Claim partitions at their epochs. `may_begin`: one without any state begins at once where the log does, if that
    is its first record; else it is lost, and whoever restores it looks into the archive first.

    Raises Refused when keys are damaged, RedisError, KafkaError.
    """
    taken = Taken()
    for partition, epoch in epochs.items():
        begin = first_offset(bounds[partition]) if may_begin else None
        reply = await shard.claim(partition, epoch, begin=begin)
        match after_claim(reply):
            case Instruction.FOLLOW:
                assert isinstance(reply, Claimed)
                taken.claims[partition] = reply
            case Instruction.WAIT | Instruction.READ_MAP:
                taken.waiting.add(partition)
                get_log().warning("partition_waits", partition=partition, answer=str(reply))
            case Instruction.RESTORE:
                cause = Cause.ABSENT if isinstance(reply, Absent) else Cause.UNFINISHED
                taken.lost[partition] = Loss(cause)
            case _:
                raise Refused(f"partition {partition} cannot be served: {reply}")
    if taken.claims:
        # Anew: until the claim, whoever served the partition applied what was appended since `bounds`.
        await _compare_with_log(reader, taken, bounds=await reader.bounds())
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


def _lose(taken: Taken, partition: Partition, *, loss: Loss) -> None:
    claim = taken.claims.pop(partition)
    taken.lost[partition] = replace(loss, given_up=claim.next_offset)
