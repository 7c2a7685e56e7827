"""Writes actions into the log: gathers them per partition and tick, and answers each by its own deadline.

Each partition is a lane with at most one batch on its way, so that a batch that is never answered holds up its own lane
only. All of this runs in one event loop; `append` is the hot path and neither waits nor makes a task.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.clock import monotonic_s
from contracts.ids import Partition, UserId
from contracts.metric_names import ACTIONS_ACCEPTED, ACTIONS_PENDING, PRODUCE_SECONDS, PRODUCER_REBUILDS
from contracts.partition_key import cached_partitioner
from foundation.kafka_cluster import read_cluster_mark
from foundation.logs import get_log
from foundation.metrics import Metrics
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from gateway.kafka_producer import HAND_OVER_S_MAX, Producer
from gateway.link_health import LinkHealth
from gateway.settings import PROBE_EVERY_S, REBUILD_EVERY_S, RECONNECT_MAX_S, RECONNECT_MIN_S, Settings

SWEEP_S: Final = 0.05
"""How late a deadline may be noticed."""


class Lost(Enum):
    """Why an action has no acknowledgement."""

    UNANSWERED = "unanswered"
    """It was sent; whether it is in the log is unknown."""
    NOT_SENT = "not sent"
    """It is not in the log and will not be."""


class Acknowledged(NamedTuple):
    """The batch is durable in the log."""

    base_offset: int | None
    """None: acknowledged as a repetition of Kafka's client, which does not learn the place."""


class Refusal(Enum):
    """Why an action was not taken at all."""

    OVERLOADED = "overloaded"
    AWAY = "away"


class BatchOutcome(asyncio.Future[Acknowledged | Lost]):
    """Awaited by every request of a batch. One request that is cancelled must not cancel it for the others."""

    def cancel(self, msg: Any | None = None) -> bool:  # noqa: ARG002  the signature is asyncio's
        return False


class Batch:
    """Actions of one partition that travel together. Record i gets base offset + i."""

    __slots__ = ("builder", "count", "first_at_s", "outcome", "sent_at_s")

    def __init__(self, builder: BatchBuilder, now_s: float) -> None:
        self.builder = builder
        self.outcome = BatchOutcome()
        self.count = 0
        self.first_at_s = now_s
        self.sent_at_s = 0.0


class Lane:
    """What one partition has waiting: the batch on its way, full ones behind it, and the one that gathers."""

    __slots__ = ("full", "gathering", "on_its_way", "partition")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.gathering: Batch | None = None
        self.full: deque[Batch] = deque()
        self.on_its_way: Batch | None = None

    @property
    def is_stuck(self) -> bool:
        """Its batch passed the deadline, and Kafka's client still tries: later ones would wait behind it."""
        return self.on_its_way is not None and self.on_its_way.outcome.done()

    def take_next(self) -> Batch | None:
        """The oldest batch that waits."""
        if self.full:
            return self.full.popleft()
        batch, self.gathering = self.gathering, None
        return batch


class Place(NamedTuple):
    """Where an appended action is: await `batch.outcome`, then its offset is base offset + nth."""

    batch: Batch
    nth: int
    partition: Partition


class ActionLog:
    """The gateway's end of the topic of actions. `run` does the work; it ends with Refused or by being cancelled."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._deadline_s = settings.produce_deadline_ms / 1000
        self._retire_s = settings.common.rules.delivery_timeout_ms / 1000 - 2 * self._deadline_s
        self._pending = 0
        self._producer: Producer | None = None
        self._lanes: list[Lane] = []
        self._partition_of: Callable[[UserId], Partition] | None = None
        self._health = LinkHealth()
        self._is_answered = False
        self._dirty: set[Lane] = set()
        self._has_dirty = asyncio.Event()
        self._wants_producer = asyncio.Event()
        self._wants_producer.set()
        self._mark: asyncio.Future[ClusterMark] = asyncio.Future()
        self._retired: set[asyncio.Task[None]] = set()
        self._left_behind: set[Batch] = set()
        self._accepted = metrics.counter(ACTIONS_ACCEPTED)
        self._produce_s = metrics.histogram(PRODUCE_SECONDS)
        self._rebuilds = metrics.counter(PRODUCER_REBUILDS)
        metrics.gauge(ACTIONS_PENDING).set_function(lambda: self._pending)

    @property
    def pending(self) -> int:
        """Actions that wait for an answer."""
        return self._pending

    @property
    def is_ready(self) -> bool:
        """Whether an action appended now is likely to be acknowledged."""
        return self._producer is not None and not self._health.is_down and self._is_answered

    async def mark(self) -> ClusterMark:
        """Which deployment this is, once Kafka was reached."""
        return await asyncio.shield(self._mark)

    def append(self, user_id: UserId, record: bytes) -> Place | Refusal:
        """Put a record into its partition's next batch, or say why not."""
        if self._pending >= self._settings.pending_actions_max:
            return Refusal.OVERLOADED
        if self._producer is None or self._partition_of is None or self._health.is_down:
            return Refusal.AWAY
        partition = self._partition_of(user_id)
        lane = self._lanes[partition]
        if lane.is_stuck:
            return Refusal.AWAY
        key = user_id.encode()
        batch = lane.gathering or self._gather(lane)
        if batch.builder.append(timestamp=None, key=key, value=record) is None:
            lane.full.append(batch)
            batch = self._gather(lane)
            appended = batch.builder.append(timestamp=None, key=key, value=record)
            assert appended is not None, "a record fits into an empty batch"
        nth = batch.count
        batch.count = nth + 1
        self._pending += 1
        return Place(batch, nth, partition)

    async def run(self) -> None:
        """Keep a producer, send what gathers, watch deadlines."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep_producer(), name="keep producer")
                tasks.create_task(self._send_at_ticks(), name="send batches")
                tasks.create_task(self._watch_deadlines(), name="watch deadlines")
                tasks.create_task(self._probe_when_idle(), name="probe Kafka")
        finally:
            await self._end()

    def _gather(self, lane: Lane) -> Batch:
        assert self._producer is not None
        batch = lane.gathering = Batch(self._producer.new_batch(), monotonic_s())
        self._mark_dirty(lane)
        return batch

    def _mark_dirty(self, lane: Lane) -> None:
        self._dirty.add(lane)
        self._has_dirty.set()

    async def _send_at_ticks(self) -> None:
        tick_s = self._settings.tick_ms / 1000
        while True:
            await self._has_dirty.wait()
            await asyncio.sleep(tick_s)
            self._has_dirty.clear()
            lanes, self._dirty = self._dirty, set()
            producer = self._producer
            if producer is None:  # the next one marks every lane with something waiting
                continue
            try:
                async with asyncio.timeout(HAND_OVER_S_MAX):
                    for lane in lanes:
                        await self._send_next(lane, producer)
            except (KafkaError, TimeoutError) as error:
                get_log().warning("producer_broken", error=repr(error))
                if self._producer is producer:
                    self._retire(producer, flush_s=self._retire_s)

    async def _send_next(self, lane: Lane, producer: Producer) -> None:
        """Hand the lane's next batch over, unless one is on its way: its answer marks the lane again."""
        batch = lane.take_next() if lane.on_its_way is None and self._producer is producer else None
        if batch is None:
            return
        batch.sent_at_s = monotonic_s()
        if batch.first_at_s < batch.sent_at_s - self._deadline_s:
            # We were frozen. Whoever sent these has had no answer and asks again; should the freeze have been longer
            # than a window, both would count.
            self._resolve(batch, Lost.NOT_SENT)
            self._mark_dirty(lane)
            return
        try:
            answer = await producer.send(batch.builder, lane.partition)
        except BaseException:
            # Not taken, so nothing of it can reach the log.
            self._resolve(batch, Lost.NOT_SENT)
            raise
        lane.on_its_way = batch
        answer.add_done_callback(lambda done: self._on_answer(lane, batch, answer=done))

    def _on_answer(self, lane: Lane, batch: Batch, *, answer: "asyncio.Future[Any]") -> None:
        """Kafka's client is done with a batch: in time or long after its deadline, maybe a retired producer's."""
        if lane.on_its_way is batch:
            lane.on_its_way = None
            if lane.full or lane.gathering is not None:
                self._mark_dirty(lane)
        self._left_behind.discard(batch)
        error = None if answer.cancelled() else answer.exception()
        if answer.cancelled() or error is not None:
            if not batch.outcome.done():
                get_log().warning("batch_failed", partition=lane.partition, actions=batch.count, error=repr(error))
            self._resolve(batch, Lost.UNANSWERED)
            return
        now_s = monotonic_s()
        self._health = self._health.acked(now_s)
        self._is_answered = True
        if batch.outcome.done():
            get_log().info("batch_late", partition=lane.partition, actions=batch.count, s=now_s - batch.first_at_s)
            return
        offset = answer.result().offset
        self._accepted.inc(batch.count)
        self._produce_s.observe(now_s - batch.first_at_s)
        self._resolve(batch, Acknowledged(offset if offset >= 0 else None))

    def _resolve(self, batch: Batch, outcome: Acknowledged | Lost) -> None:
        if not batch.outcome.done():
            self._pending -= batch.count
            batch.outcome.set_result(outcome)

    async def _watch_deadlines(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now_s = monotonic_s()
            for batch in self._left_behind:
                self._give_up_late(batch, now_s)
            stuck, oldest_s = 0, 0.0
            for lane in self._lanes:
                self._sweep(lane, now_s)
                if lane.is_stuck and lane.on_its_way is not None:
                    stuck, oldest_s = stuck + 1, max(oldest_s, now_s - lane.on_its_way.sent_at_s)
            if self._producer is None:
                continue
            if oldest_s > self._retire_s:
                # Nothing may reach the log later than the delivery timeout that the counting rules rely on.
                self._retire(self._producer, flush_s=0)
            elif self._health.should_rebuild(now_s, stuck_partitions=stuck, every_s=REBUILD_EVERY_S):
                self._health = self._health.rebuild_asked(now_s)
                get_log().warning("producer_wedged", stuck_partitions=stuck)
                self._wants_producer.set()

    def _sweep(self, lane: Lane, now_s: float) -> None:
        """Answer what waited too long. A batch that Kafka's client has stays on its way: it may still arrive."""
        too_old_s = now_s - self._deadline_s
        if lane.on_its_way is not None and self._give_up_late(lane.on_its_way, now_s):
            self._health = self._health.missed(lane.on_its_way.sent_at_s)
        while lane.full and lane.full[0].first_at_s < too_old_s:
            self._resolve(lane.full.popleft(), Lost.NOT_SENT)
        if lane.gathering is not None and lane.gathering.first_at_s < too_old_s:
            batch, lane.gathering = lane.gathering, None
            self._resolve(batch, Lost.NOT_SENT)

    def _give_up_late(self, sent: Batch, now_s: float) -> bool:
        if sent.outcome.done() or sent.first_at_s >= now_s - self._deadline_s:
            return False
        self._resolve(sent, Lost.UNANSWERED)
        return True

    async def _probe_when_idle(self) -> None:
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            producer = self._producer
            if producer is not None and self._health.is_idle(monotonic_s(), after_s=PROBE_EVERY_S):
                self._is_answered = await producer.is_answered()

    async def _keep_producer(self) -> None:
        """Make a producer whenever one is wanted; the one in use goes on meanwhile."""
        wait_s, is_told = RECONNECT_MIN_S, False
        while True:
            await self._wants_producer.wait()
            self._wants_producer.clear()
            try:
                await self._adopt(await self._connect())
            except (KafkaError, OSError, TimeoutError) as error:
                if not is_told:
                    get_log().warning("kafka_away", address=self._settings.common.kafka, error=repr(error))
                is_told = True
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RECONNECT_MAX_S)
                self._wants_producer.set()
            else:
                wait_s, is_told = RECONNECT_MIN_S, False

    async def _connect(self) -> Producer:
        common = self._settings.common
        producer = await Producer.connect(common.kafka, common.actions_topic)
        if self._lanes and len(self._lanes) != producer.partitions:
            await producer.close(flush_s=0)
            raise Refused(
                f"topic {common.actions_topic!r} had {len(self._lanes)} partitions and now has {producer.partitions}: "
                "users would change partitions; the number is fixed for the life of a deployment"
            )
        try:
            if not self._mark.done():
                self._mark.set_result(await read_cluster_mark(common))
        except BaseException:
            await producer.close(flush_s=0)
            raise
        return producer

    async def _adopt(self, producer: Producer) -> None:
        """Start over with a new producer. Batches that wait go to it; those on their way stay with the old one."""
        old = self._producer
        if old is not None:
            self._retire(old, flush_s=self._retire_s)
            self._rebuilds.inc()
        if not self._lanes:
            self._lanes = [Lane(Partition(p)) for p in range(producer.partitions)]
            self._partition_of = cached_partitioner(producer.partitions)
        self._producer = producer
        self._wants_producer.clear()
        self._health = self._health.acked(monotonic_s())
        self._is_answered = True
        for lane in self._lanes:
            if lane.full or lane.gathering is not None:
                self._mark_dirty(lane)
        get_log().info("kafka_connected", partitions=producer.partitions)

    def _retire(self, producer: Producer, flush_s: float) -> None:
        """Send nothing new to it, and end it once its batches are answered or too old. Their futures stay watched."""
        self._producer = None
        self._wants_producer.set()
        for lane in self._lanes:
            if lane.on_its_way is not None:
                self._left_behind.add(lane.on_its_way)
                lane.on_its_way = None
        task = asyncio.create_task(producer.close(flush_s=flush_s), name="retire producer")
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _end(self) -> None:
        """Nothing is accepted any more: end every producer, and answer whoever still waits."""
        if self._producer is not None:
            producer, self._producer = self._producer, None
            await producer.close(flush_s=self._deadline_s if self._pending else 0)
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        sent = [lane.on_its_way for lane in self._lanes if lane.on_its_way is not None]
        for batch in (*sent, *self._left_behind):
            self._resolve(batch, Lost.UNANSWERED)
        for lane in self._lanes:
            while (waiting := lane.take_next()) is not None:
                self._resolve(waiting, Lost.NOT_SENT)
