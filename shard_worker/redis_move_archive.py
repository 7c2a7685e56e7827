"""A move whose source has nothing to give: the partition is made from the archive, or from the log's beginning, as the
owner's own restores are. The log is read on from there by whoever claims it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from contracts.ids import Offset, Partition
from contracts.restore import RestoreSource
from foundation.redis_cluster_mark import ClusterMark
from shard_worker.kafka_reader import KafkaReader
from shard_worker.local_top import TRACKED_PER_SHOWN
from shard_worker.postgres_restore import ArchiveReader
from shard_worker.redis_restore_rows import Chunk
from shard_worker.restore_steps import Archive, Cause, Loss, Missing, NoArchive, Start, mark_to_find, plan_restore
from shard_worker.settings import Settings

GONE: Final = Loss(Cause.ABSENT)


@dataclass(frozen=True, slots=True)
class Remake:
    """What a partition can be made from."""

    source: RestoreSource
    start: Start
    rows: int
    """Scores that will come."""
    chunks: AsyncIterator[list[Chunk]] | None
    """None: before the log's first record, there is nothing."""


class MoveArchive:
    """For one partition. What `plan` returned is valid until `close`, or the next `plan`."""

    def __init__(self, settings: Settings, mark: ClusterMark, *, partition: Partition) -> None:
        self._settings = settings
        self._partition = partition
        self._archive = ArchiveReader(settings.common.postgres_url, mark)
        self._open = AsyncExitStack()

    async def plan(self) -> Remake | Missing:
        """Look what there is. Raises PostgresError, one of AWAY, or KafkaError."""
        await self._open.aclose()
        self._archive.look_again()
        archived = await self._open.enter_async_context(self._archive.partition(self._partition))
        archive: Archive | NoArchive = archived if isinstance(archived, NoArchive) else archived.head
        common = self._settings.common
        reader = KafkaReader(common.kafka, topic=common.actions_topic, group=None, partitions=[self._partition])
        await reader.start()
        try:
            bounds = (await reader.bounds([self._partition]))[self._partition]
            mark = mark_to_find(archive, bounds)
            found = None
            if mark is not None:
                found = (await reader.find({self._partition: Offset(mark.offset)}))[self._partition]
        finally:
            await reader.close()
        plan = plan_restore(GONE, bounds, archive=archive, found=found)
        if isinstance(plan, Missing):
            return plan
        if plan.source is RestoreSource.LOG or isinstance(archived, NoArchive):
            return Remake(plan.source, plan.start, 0, None)
        chunks = archived.chunks(named_rows=self._settings.top_rows * TRACKED_PER_SHOWN)
        return Remake(plan.source, plan.start, await archived.count_scores(), chunks)

    async def close(self) -> None:
        """May be called twice."""
        try:
            await self._open.aclose()
        finally:
            self._archive.close()
