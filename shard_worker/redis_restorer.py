"""Restores the partitions that a session cannot follow, one after the other, while it follows the others.

One task runs `run`. The session says what is lost, and takes back what is in `to_take`: whatever came of an attempt, a
new claim tells where the partition stands.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

import asyncpg
import msgspec
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.clock import monotonic_s, now_ms
from contracts.ids import Epoch, Offset, Partition
from contracts.restore import RestoreSource, RestoreState, RestoreStatus, encode_json
from foundation.logs import get_log
from foundation.postgres_connect import AWAY
from foundation.redis_cluster_mark import ClusterMark
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.kafka_reader import KafkaReader
from shard_worker.local_top import TRACKED_PER_SHOWN
from shard_worker.postgres_restore import ArchivedPartition, ArchiveReader
from shard_worker.redis_lease import Lease
from shard_worker.redis_restore import PartitionMaker, make
from shard_worker.redis_shard import ShardRedis
from shard_worker.restore_steps import (
    Archive,
    Attempt,
    Cause,
    Event,
    Loss,
    Missing,
    NoArchive,
    Plan,
    Step,
    mark_to_find,
    plan_restore,
)
from shard_worker.settings import Settings

RETRY_S: Final = 2.0
"""Between two looks whether a refused partition can be restored by now: soon after Postgres is back."""
TELL_S: Final = 0.5
"""How often a restore under way tells how far it is."""


@dataclass(frozen=True, slots=True)
class RestoreTools:
    """What restores work with."""

    settings: Settings
    mark: ClusterMark
    redis: Redis
    shard: ShardRedis
    lease: Lease
    metrics: WorkerMetrics


class Restorer:
    """The lost partitions of one session. `run` ends only by being cancelled; then `close`."""

    def __init__(self, tools: RestoreTools) -> None:
        self._tools = tools
        self._epochs: dict[Partition, Epoch] = {}
        self._archive = ArchiveReader(tools.settings.common.postgres_url, tools.mark)
        self._reader: KafkaReader | None = None
        self._lost: dict[Partition, Loss] = {}
        self._attempt = Attempt()
        self._wake = asyncio.Event()
        self.to_take: set[Partition] = set()
        """Partitions to be claimed anew. The session removes them."""
        self.refused: dict[Partition, str] = {}
        """Why partitions cannot be restored at the moment."""
        self.running: dict[Partition, RestoreStatus] = {}
        """The restore under way, and those whose log is still to be applied."""

    @property
    def lost(self) -> Mapping[Partition, Loss]:
        """The partitions that are not served."""
        return self._lost

    def want(self, partition: Partition, loss: Loss, *, epoch: Epoch) -> None:
        """Restore this partition at `epoch`; what an operator asked for before holds on."""
        self._epochs[partition] = epoch
        before = self._lost.get(partition)
        if before is None:
            get_log().warning("partition_lost", partition=partition, reason=str(loss))
        elif before.request and not loss.request:
            loss = replace(loss, wanted=before.wanted, request=before.request)
        self._lost[partition] = loss
        self._count()
        self._wake.set()

    def ask(self, partition: Partition, *, wanted: RestoreSource | None, request: str) -> None:
        """An operator asks for the next attempt on a lost partition."""
        self._lost[partition] = replace(self._lost[partition], wanted=wanted, request=request)
        self._wake.set()

    def drop(self, partition: Partition) -> None:
        """The map gives it to another shard, or at another epoch: a restore under way ends, and none begins."""
        if self._lost.pop(partition, None) is not None:
            get_log().info("restore_dropped", partition=partition)
        self.to_take.discard(partition)
        self.refused.pop(partition, None)
        self.running.pop(partition, None)
        self._count()

    async def follow(self, partitions: Iterable[Partition]) -> None:
        """These are followed again."""
        for partition in partitions:
            self.refused.pop(partition, None)
            self._lost.pop(partition, None)
            status = self.running.pop(partition, None)
            if status is None or status.state is not RestoreState.CATCHING_UP:
                continue
            await self._tell(partition, status)
            if status.request:
                with suppress(RedisError, OSError):  # then it is done once more, which does no harm
                    await self._tools.redis.hdel(redis_keys.RESTORE_REQUESTS, status.request)
        self._count()

    async def run(self) -> None:
        """Restore what is lost, again and again."""
        while True:
            due = [partition for partition in sorted(self._lost) if partition not in self.to_take]
            self._archive.look_again()
            for partition in due:
                if self._tools.lease.is_held and partition in self._lost:
                    step = await self._restore(partition)
                    self._tools.metrics.restored(step.value)
                    loss = self._lost.get(partition)
                    if loss is not None and (step is Step.OWNED or loss.cause is Cause.ASKED):
                        self.to_take.add(partition)
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S if self._lost else None):
                    await self._wake.wait()
            self.to_take.update(partition for partition in due if partition in self._lost)

    async def close(self) -> None:
        """Give the connections back; may be called twice."""
        self._archive.close()
        await self._close_reader()

    async def _restore(self, partition: Partition) -> Step:
        """One attempt; never raises what its servers' clients raise."""
        loss, self._attempt = self._lost[partition], Attempt()
        try:
            async with self._archive.partition(partition) as archived:
                plan = await self._plan(partition, loss, archived=archived)
                if isinstance(plan, Missing):
                    self._attempt = self._attempt.after(Event.MISSING)
                    await self._refuse(partition, loss, reason=plan.reason)
                else:
                    self._attempt = self._attempt.after(Event.PLANNED)
                    await self._make(partition, loss, plan=plan, archived=archived)
        except (RedisError, KafkaError, asyncpg.PostgresError, *AWAY) as error:
            self._archive.close()
            await self._close_reader()
            get_log().warning("restore_broken", partition=partition, error=f"{type(error).__name__}: {error}")
            if not self._attempt.is_over:
                self._attempt = self._attempt.after(Event.FAILED)
        if self._attempt.step is not Step.STUCK:
            step, chunks = self._attempt.step.value, self._attempt.chunks
            get_log().info("restore_ended", partition=partition, step=step, chunks=chunks)
        return self._attempt.step

    async def _plan(
        self, partition: Partition, loss: Loss, *, archived: ArchivedPartition | NoArchive
    ) -> Plan | Missing:
        archive: Archive | NoArchive = archived if isinstance(archived, NoArchive) else archived.head
        reader = await self._open_reader()
        bounds = (await reader.bounds([partition]))[partition]  # after the archive's: its end is then no older
        mark = mark_to_find(archive, bounds)
        found = None
        if mark is not None:
            found = (await reader.find({partition: Offset(mark.offset)}))[partition]
        plan = plan_restore(loss, bounds, archive=archive, found=found)
        if isinstance(plan, Plan):
            await self._begin(partition, loss, plan=plan, end=bounds.end)
        return plan

    async def _begin(self, partition: Partition, loss: Loss, *, plan: Plan, end: Offset) -> None:
        self.refused.pop(partition, None)
        self._count()
        self.running[partition] = RestoreStatus(
            state=RestoreState.WRITING,
            source=plan.source,
            reason=str(loss),
            request=loss.request,
            next_offset=plan.start.next_offset,
            end_offset=end,
        )
        get_log().warning("restoring", partition=partition, source=plan.source.value, reason=str(loss),
                          next_offset=plan.start.next_offset, end_offset=end)  # fmt: skip
        await self._tell(partition, self.running[partition])

    async def _make(
        self, partition: Partition, loss: Loss, *, plan: Plan, archived: ArchivedPartition | NoArchive
    ) -> None:
        tools = self._tools
        epoch = self._epochs[partition]
        maker = PartitionMaker(tools.shard, partition, epoch=epoch, shard_id=tools.settings.shard)
        total, chunks = 0, None
        if plan.source is RestoreSource.POSTGRES:
            assert isinstance(archived, ArchivedPartition)
            total = await archived.count_scores()
            chunks = archived.chunks(named_rows=tools.settings.top_rows * TRACKED_PER_SHOWN)
        told_s = monotonic_s()
        async for attempt in make(maker, loss, attempt=self._attempt, start=plan.start, chunks=chunks):
            self._attempt = attempt
            is_wanted = partition in self._lost and self._epochs[partition] == epoch
            if not attempt.is_over and not (is_wanted and tools.lease.is_held):
                self._attempt = attempt.after(Event.FAILED)  # whose it is now begins with a wipe of its own
                return
            if monotonic_s() - told_s > TELL_S:
                told_s = monotonic_s()
                await self._tell_rows(partition, rows=maker.rows, total=total)
        if maker.refusal:
            get_log().warning("restore_refused", partition=partition, answer=maker.refusal)
        if self._attempt.step is Step.OWNED:
            await self._tell_rows(partition, rows=maker.rows, total=total)
            if partition in self.running:
                self.running[partition] = _with(self.running[partition], state=RestoreState.CATCHING_UP)

    async def _tell_rows(self, partition: Partition, *, rows: int, total: int) -> None:
        if partition in self.running:
            self.running[partition] = _with(self.running[partition], rows=rows, rows_total=total)
            await self._tell(partition, self.running[partition])

    async def _refuse(self, partition: Partition, loss: Loss, *, reason: str) -> None:
        """The partition is not served. Told when the reason changes; an operator's request is over."""
        if partition not in self._lost:
            return
        if self.refused.get(partition) != reason:
            get_log().error("partition_refused", partition=partition, cause=str(loss), missing=reason)
        self.refused[partition] = reason
        self.running.pop(partition, None)
        self._count()
        status = RestoreStatus(state=RestoreState.REFUSED, reason=f"{loss}; {reason}", request=loss.request)
        await self._tell(partition, status)
        if loss.request:
            await self._tools.redis.hdel(redis_keys.RESTORE_REQUESTS, loss.request)
            self._lost[partition] = replace(loss, wanted=None, request="")

    async def _tell(self, partition: Partition, status: RestoreStatus) -> None:
        """For whoever watches; nothing depends on it."""
        with suppress(RedisError, OSError):
            told = encode_json(_with(status, changed_ms=now_ms()))
            await self._tools.redis.hset(redis_keys.RESTORE_STATUS, str(partition), told)

    def _count(self) -> None:
        self._tools.metrics.unserved(restoring=len(self._lost) - len(self.refused), refused=len(self.refused))

    async def _open_reader(self) -> KafkaReader:
        if self._reader is None:
            common = self._tools.settings.common
            everything = map(Partition, range(self._tools.mark.partitions))
            reader = KafkaReader(common.kafka, topic=common.actions_topic, group=None, partitions=everything)
            await reader.start()
            self._reader = reader
        return self._reader

    async def _close_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()


def _with(status: RestoreStatus, **changes: object) -> RestoreStatus:
    return msgspec.structs.replace(status, **changes)
