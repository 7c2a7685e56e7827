"""One session of a worker: from holding the lease to losing the ground under it.

It follows the log of the partitions that the map gives the shard. What concerns one partition alone is dealt with
beside the others; whatever else refuses or fails ends the session, and the next one starts from what Redis then holds.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from contracts.clock import monotonic_s
from contracts.ids import Partition
from contracts.moves import StoredMap
from contracts.periods import SpanCache
from contracts.tops import Position as TopPosition
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal
from shard_worker.fold import Batch, Folder
from shard_worker.partition_state import CONCERNS_ONE, Instruction, after_refusal
from shard_worker.redis_applier import Applier, RoundResult
from shard_worker.redis_move_tools import Mover, MoveTools
from shard_worker.redis_publisher import Snapshot
from shard_worker.redis_served import Served
from shard_worker.redis_session_tools import Tools
from shard_worker.redis_watch import SessionOver, Watch
from shard_worker.replies import Damaged, Fenced, Seek

POLL_WAIT_S: Final = 0.1
"""Longest wait for records when nothing is in flight; draining, the lease and the map are looked at in between."""


class Session:
    """Call `open`, then `follow`, then `close` in any case. Any exception ends it."""

    def __init__(self, tools: Tools, stored: StoredMap, *, mark: ClusterMark) -> None:
        self._tools = tools
        common = tools.settings.common
        self.served = Served(tools, stored, mark=mark)
        self._watch = Watch(tools, self.served)
        self._folder = Folder(common.rules, SpanCache(common.calendar))
        self._applier = Applier(
            tools.shard, self._folder, top=self.served.top, divert=tools.dead_letters.send, breaker=tools.breaker
        )
        self._mover = _mover(tools, mark)
        self.is_following = False

    async def open(self) -> None:
        """Claim, compare with the log, read the tops. What cannot be followed is restored beside the rest.

        Raises Refused when keys are damaged.
        """
        self._tools.publisher.begin()
        await self.served.open()
        self._offer(is_changed=True)
        self.is_following = True

    async def follow(self, stop: StopSignal) -> None:
        """Apply until `stop` is set or the lease is lost. Raises SessionOver, or what its servers' clients raise."""
        served = self.served
        beside = [
            asyncio.create_task(self._watch.run(), name="watch"),
            asyncio.create_task(served.restorer.run(), name="restorer"),
            asyncio.create_task(served.taker.run(), name="taker"),
        ]
        if self._mover is not None:
            beside.append(asyncio.create_task(self._mover.run(), name="mover"))
        flight: asyncio.Task[RoundResult] | None = None
        try:
            while not stop.is_set and self._tools.lease.is_held:
                self._raise_fault(beside)
                polled = await served.reader.poll(
                    wait_s=0 if flight else POLL_WAIT_S, records_max=self._tools.settings.poll_records_max
                )
                served.touched.clear()
                batches = await self._fold(polled)
                if flight is not None:
                    await self._land(await flight)
                    flight = None
                await self._change_partitions()
                batches = [batch for batch in batches if batch.partition not in served.touched]
                flight = asyncio.create_task(self._round(batches), name="round") if batches else None
                await asyncio.sleep(0)  # the calls leave before the next poll is decoded
            if flight is not None:
                await self._land(await flight)
                flight = None
            await self._watch.commit()
        finally:
            ending = [*beside, flight] if flight is not None else beside
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def close(self) -> None:
        """Give the connections back; may be called twice. What was offered last is published on."""
        if self._mover is not None:
            await self._mover.close()
        await self.served.close()

    async def _change_partitions(self) -> None:
        """Between two rounds: what the map, Redis, the restorer and operators say about single partitions."""
        served, stored = self.served, self._tools.map.current
        is_newer = stored is not None and stored.map is not None and stored.version > served.map_version
        fenced, self._watch.fenced = self._watch.fenced, {}
        asked, self._watch.asked = self._watch.asked, {}
        if not (is_newer or fenced or asked or served.has_changes()):
            return
        for partition, answer in fenced.items():
            if partition in served.applied:
                served.wait_for(partition, answer)
        if is_newer:
            assert stored is not None
            served.follow_map(stored)
        await served.change(asked)
        self._offer(is_changed=True)

    async def _fold(self, polled: Mapping[Partition, Sequence[Any]]) -> list[Batch]:
        """Decode what was polled. Between two partitions the round in flight may go on."""
        batches: list[Batch] = []
        for partition, records in polled.items():
            if not records or partition not in self.served.folded:
                continue
            if records[0].timestamp_type != 1:
                raise Refused(f"topic {records[0].topic} has no LogAppendTime: log time decides what counts")
            folded = self._folder.fold_all(partition, records, before=self.served.folded[partition])
            self.served.folded[partition] = folded[-1].after
            batches += folded
            await asyncio.sleep(0)
        return batches

    async def _round(self, batches: Sequence[Batch]) -> RoundResult:
        began_s = monotonic_s()
        result = await self._applier.run(batches, self.served.epochs)
        self._tools.metrics.apply_seconds.observe(monotonic_s() - began_s)
        return result

    async def _land(self, result: RoundResult) -> None:
        """After a round: note what was applied, bring the top up to date, publish."""
        for batch in result.applied:
            self.served.applied[batch.partition] = batch.after
        self._tools.metrics.after_round(result)
        for partition in result.halted:
            raise SessionOver(f"partition {partition}: {self.served.halted[partition]}")
        for partition, reply in result.refused.items():
            self._on_refusal(partition, reply)
        await self.served.read_stale()
        self._offer(is_changed=self.served.top.settle())

    def _on_refusal(self, partition: Partition, reply: Fenced | Seek | Damaged) -> None:
        instruction = after_refusal(
            reply,
            epoch=self.served.epochs[partition],
            writer=self._tools.shard.writer,
            has_lease=self._tools.lease.is_held,
        )
        if isinstance(reply, Fenced):
            self._tools.metrics.fenced.inc()
        elif isinstance(reply, Seek):
            self._tools.metrics.seeks.inc()
        if instruction is Instruction.REFUSE:
            raise Refused(f"partition {partition} of shard {self._tools.settings.shard}: {reply}")
        if instruction not in CONCERNS_ONE:
            raise SessionOver(f"partition {partition}: {reply}: {instruction.value}")
        self.served.wait_for(partition, f"{reply}: {instruction.value}")

    def _offer(self, *, is_changed: bool) -> None:
        served = self.served
        is_changed = served.top.settle() or is_changed
        positions = [
            TopPosition(partition, served.epochs[partition], position.next_offset, position.log_ms)
            for partition, position in served.applied.items()
        ]
        views = [served.top.view(period) for period in served.top.periods]
        snapshot = Snapshot(served.map_version, tuple(positions), tuple(views), dict(served.ends))
        self._tools.publisher.offer(snapshot, is_changed=is_changed)

    def _raise_fault(self, beside: "Sequence[asyncio.Task[None]]") -> None:
        for task in beside:
            if task.done():
                task.result()


def _mover(tools: Tools, mark: ClusterMark) -> Mover | None:
    """Only a deployment with Postgres moves partitions."""
    if tools.make_mover is None or tools.map.store is None or tools.map.follower is None:
        return None
    store, follower = tools.map.store, tools.map.follower
    return tools.make_mover(
        MoveTools(tools.settings, mark, tools.shard, tools.lease, tools.metrics, store=store, follower=follower)
    )
