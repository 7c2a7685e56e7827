"""Carries batches out on the shard's Redis until each is applied or refused: drops what does not count and calls again.

One round trip for all partitions; more only when ids repeat, limits are reached or a score leaves its bounds. Dead
letters are acknowledged by Kafka before the offset moves past them.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.ids import Epoch, Partition
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Batch, DeadRecord, Folder
from shard_worker.local_top import LocalTop
from shard_worker.redis_shard import ApplyCall, ShardRedis
from shard_worker.replies import Applied, ApplyReply, Capped, Damaged, Duplicates, Fenced, OutOfBounds, Seek

OUT_OF_BOUNDS: Final = "the score would reach 2^53"

BAD_RECORD: Final = "bad record"
"""The label of all faults that decoding finds: their texts are without number."""

Divert = Callable[[Sequence[DeadRecord]], Awaitable[None]]
"""Writes dead letters; returns when Kafka has acknowledged all."""


@dataclass(slots=True)
class RoundResult:
    """What became of a round. A refused partition stands where it stood, or beyond by its batches in `applied`."""

    applied: list[Batch] = field(default_factory=list)
    refused: dict[Partition, Fenced | Seek | Damaged] = field(default_factory=dict)
    halted: set[Partition] = field(default_factory=set)
    """Partitions whose dead letters became too many; they stand before the batch that would have been diverted."""
    repeats: int = 0
    capped: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    """Dead letters by the kind of fault."""


class Applier:
    """One round at a time: `run` must not be called again before it returned."""

    def __init__(
        self, shard: ShardRedis, folder: Folder, *, top: LocalTop, divert: Divert, breaker: DeadBreaker
    ) -> None:
        self._shard = shard
        self._folder = folder
        self._top = top
        self._divert = divert
        self._breaker = breaker

    async def run(self, batches: Sequence[Batch], epochs: Mapping[Partition, Epoch]) -> RoundResult:
        """Apply all batches; those of one partition in the order given. The top is up to date but for stale boards."""
        result = RoundResult()
        waiting: dict[Partition, deque[Batch]] = {}
        for batch in batches:
            waiting.setdefault(batch.partition, deque()).append(batch)
            result.repeats += batch.repeats
        diverted: set[tuple[Partition, int]] = set()
        while self._halt(waiting, result):
            heads = [queue[0] for queue in waiting.values()]
            result.dead.update(await self._divert_new(heads, diverted))
            calls = [ApplyCall(batch, epochs[batch.partition], self._top.floors(batch.periods)) for batch in heads]
            for batch, reply in zip(heads, await self._shard.apply(calls), strict=True):
                self._on_reply(batch, reply, waiting=waiting, result=result)
        return result

    def _halt(self, waiting: dict[Partition, deque[Batch]], result: RoundResult) -> bool:
        """Give up partitions of which too much would be diverted; whether any batch is left."""
        for partition, queue in list(waiting.items()):
            if self._breaker.trips(partition, len(queue[0].records), dead=len(queue[0].dead)):
                result.halted.add(partition)
                del waiting[partition]
        return bool(waiting)

    async def _divert_new(self, batches: Sequence[Batch], diverted: set[tuple[Partition, int]]) -> Counter[str]:
        letters = [letter for batch in batches for letter in batch.dead]
        dead = [letter for letter in letters if (letter.partition, letter.record.offset) not in diverted]
        if dead:
            await self._divert(dead)
            diverted.update((letter.partition, letter.record.offset) for letter in dead)
        return Counter(OUT_OF_BOUNDS if letter.reason == OUT_OF_BOUNDS else BAD_RECORD for letter in dead)

    def _on_reply(
        self, batch: Batch, reply: ApplyReply, *, waiting: dict[Partition, deque[Batch]], result: RoundResult
    ) -> None:
        queue = waiting[batch.partition]
        match reply:
            case Applied(rows, stale):
                queue.popleft()
                self._top.forget_names(batch.erased)
                self._top.take(batch.partition, rows, names=batch.names)
                self._top.rename_tracked(batch.partition, batch.profiles)
                self._top.mark_stale(stale)
                result.applied.append(batch)
                self._breaker.note(batch.partition, len(batch.records), dead=len(batch.dead))
            case Duplicates(numbers):
                result.repeats += sum(number not in batch.again for number in numbers)
                self._fold_again(queue, {batch.offsets[number] for number in numbers})
            case Capped(numbers):
                result.capped += len(numbers)
                self._fold_again(queue, {batch.offsets[number] for number in numbers})
            case OutOfBounds():
                self._divide(queue)
            case Fenced() | Seek() | Damaged():
                queue.clear()
                result.refused[batch.partition] = reply
        if not queue:
            del waiting[batch.partition]

    def _fold_again(self, queue: deque[Batch], skip: set[int]) -> None:
        """Without its first record, an id's second may be one with limits, which begins a batch of its own."""
        batch = queue.popleft()
        parts = self._folder.fold_all(batch.partition, batch.records, before=batch.before, skip=batch.skipped | skip)
        assert parts[-1].after == batch.after, (parts[-1].after, batch.after)
        for part in parts:
            first, end = part.before.next_offset, part.after.next_offset
            part.dead = [letter for letter in batch.dead if first <= letter.record.offset < end]
        queue.extendleft(reversed(parts))

    def _divide(self, queue: deque[Batch]) -> None:
        """Halve the batch until the record that cannot be applied stands alone; that one is dead."""
        batch = queue.popleft()
        size = len(batch.records)
        if size == 1:
            (record,) = batch.records
            alone = self._folder.fold(batch.partition, batch.records, before=batch.before, skip={record.offset})
            alone.dead = [DeadRecord(batch.partition, record, OUT_OF_BOUNDS)]
            queue.appendleft(alone)
            return
        halves: list[Batch] = []
        for records in (batch.records[: size // 2], batch.records[size // 2 :]):
            before = halves[-1].after if halves else batch.before
            halves += self._folder.fold_all(batch.partition, records, before=before, skip=batch.skipped)
        queue.extendleft(reversed(halves))
