"""One session of a worker: from holding the lease to losing the ground under it.

It claims the shard's partitions, makes sure that the log is the one they came from, and follows it. Whatever refuses or
fails ends the session; the next one starts from what Redis then holds, so that no answer ever has to be guessed.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaError
from redis.asyncio import Redis

from contracts.clock import monotonic_s, now_ms
from contracts.ids import LogMs, Offset, Partition, PeriodId
from contracts.periods import SpanCache
from contracts.progress import LastRecord
from contracts.shard_map import ShardMap
from contracts.tops import Position as TopPosition
from foundation.health import ProgressHealth
from foundation.logs import get_log
from foundation.service import Refused, StopSignal
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Batch, Folder, Position
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.kafka_dead_letters import DeadLetters
from shard_worker.kafka_reader import KafkaReader
from shard_worker.local_top import BoardView, LocalTop
from shard_worker.partition_state import (
    Instruction,
    LogBounds,
    after_claim,
    after_refusal,
    first_offset,
    last_record_fault,
    log_fault,
)
from shard_worker.redis_applier import Applier, RoundResult
from shard_worker.redis_lease import Lease
from shard_worker.redis_publisher import RedisPublisher, Snapshot
from shard_worker.redis_shard import ShardRedis
from shard_worker.redis_top_reader import TopReader
from shard_worker.replies import Claimed, Fenced, Seek
from shard_worker.settings import Settings

POLL_WAIT_S: Final = 0.1
"""Longest wait for records when nothing is in flight; draining and the lease are looked at in between."""
WATCH_S: Final = 1.0
"""How often the log's ends are asked for: lag, health, and closed boards are as fresh as this."""
COMMIT_EVERY: Final = 5
"""Group offsets are shown to Kafka's tools each so many watches."""


class SessionOver(Exception):
    """Something moved under the session; the message says what. A new session finds out where things stand."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What sessions work with; made once per process."""

    settings: Settings
    redis: Redis
    shard: ShardRedis
    lease: Lease
    publisher: RedisPublisher
    dead_letters: DeadLetters
    metrics: WorkerMetrics
    breaker: DeadBreaker


class Session:
    """Call `open`, then `follow`, then `close` in any case. Any exception ends it."""

    def __init__(self, tools: Tools, shard_map: ShardMap) -> None:
        self._tools = tools
        self._map = shard_map
        settings = tools.settings
        common = settings.common
        self.epochs = shard_map.of_shard(settings.shard)
        self._reader = KafkaReader(
            common.kafka,
            topic=common.actions_topic,
            group=f"{common.actions_topic}-shard-{settings.shard}",
            partitions=self.epochs,
        )
        self._folder = Folder(common.rules, SpanCache(common.calendar))
        self._top = LocalTop(shown=settings.top_rows)
        self._tops = TopReader(tools.redis)
        self._applier = Applier(
            tools.shard, self._folder, top=self._top, divert=tools.dead_letters.send, breaker=tools.breaker
        )
        self.applied: dict[Partition, Position] = {}
        """Where each followed partition stands in Redis."""
        self._folded: dict[Partition, Position] = {}
        self.ends: dict[Partition, Offset] = {}
        self.health: dict[Partition, ProgressHealth] = {}
        self.waiting: set[Partition] = set()
        """Partitions that are being moved."""
        self.is_following = False

    @property
    def halted(self) -> Mapping[Partition, str]:
        """Partitions that are served but not read on, because too much of their log is dead; with the reason."""
        return self._tools.breaker.tripped

    async def open(self) -> None:
        """Claim, compare with the log, read the tops. Raises Refused when the state must be restored by somebody."""
        await self._reader.start()
        bounds = await self._reader.bounds()
        claims = await self._claim_all(bounds)
        await self._compare_with_log(claims, bounds)
        for partition, claim in claims.items():
            self.applied[partition] = self._folded[partition] = Position(claim.next_offset, claim.log_ms)
            if partition in self.halted:
                get_log().error("partition_halted", partition=partition, reason=self.halted[partition])
            else:
                self._reader.follow(partition, claim.next_offset)
        self.ends = {partition: bound.end for partition, bound in bounds.items()}
        self._top.mark_stale(await self._tops.boards(list(claims)))
        for partition in claims:
            for user, name in (await self._tops.names(partition)).items():
                self._top.rename(user, partition, name=name)
        await self._read_stale()
        self._observe()
        self._offer(is_changed=True)
        self.is_following = True
        get_log().info("following", partitions=len(claims), waiting=len(self.waiting))

    async def follow(self, stop: StopSignal) -> None:
        """Apply until `stop` is set or the lease is lost. Raises SessionOver, or what its servers' clients raise."""
        watch = asyncio.create_task(self._watch(), name="watch")
        flight: asyncio.Task[RoundResult] | None = None
        try:
            while not stop.is_set and self._tools.lease.is_held:
                self._raise_fault(watch)
                polled = await self._reader.poll(
                    wait_s=0 if flight else POLL_WAIT_S, records_max=self._tools.settings.poll_records_max
                )
                batches = await self._fold(polled)
                if flight is not None:
                    await self._land(await flight)
                flight = asyncio.create_task(self._round(batches), name="round") if batches else None
                await asyncio.sleep(0)  # the calls leave before the next poll is decoded
            if flight is not None:
                await self._land(await flight)
                flight = None
            await self._commit()
        finally:
            for task in (watch, flight):
                if task is not None:
                    task.cancel()
            await asyncio.gather(*(task for task in (watch, flight) if task is not None), return_exceptions=True)

    async def close(self) -> None:
        """Give the log's connection back; may be called twice. What was offered last is published on."""
        await self._reader.close()

    async def _claim_all(self, bounds: Mapping[Partition, LogBounds]) -> dict[Partition, Claimed]:
        claims: dict[Partition, Claimed] = {}
        for partition, epoch in self.epochs.items():
            reply = await self._tools.shard.claim(partition, epoch, begin=first_offset(bounds[partition]))
            match after_claim(reply):
                case Instruction.FOLLOW:
                    assert isinstance(reply, Claimed)
                    claims[partition] = reply
                case Instruction.WAIT | Instruction.READ_MAP:
                    self.waiting.add(partition)
                    get_log().warning("partition_waits", partition=partition, answer=str(reply))
                case _:
                    raise Refused(
                        f"partition {partition} of shard {self._tools.settings.shard} cannot be served: {reply}, "
                        f"and the log begins at offset {bounds[partition].begin}. Restore it: shardboard restore"
                    )
        return claims

    async def _compare_with_log(
        self, claims: Mapping[Partition, Claimed], bounds: Mapping[Partition, LogBounds]
    ) -> None:
        """Refuse a log that is not the one whose records were applied."""
        marks: dict[Partition, LastRecord] = {}
        for partition, claim in claims.items():
            fault = log_fault(claim.next_offset, claim.last, bounds=bounds[partition])
            if fault is not None:
                raise Refused(f"partition {partition}: {fault}")
            if claim.last is not None and claim.last.offset >= bounds[partition].begin:
                marks[partition] = claim.last
        found = await self._reader.find({partition: Offset(mark.offset) for partition, mark in marks.items()})
        for partition, mark in marks.items():
            fault = last_record_fault(mark, found[partition])
            if fault is not None:
                raise Refused(f"partition {partition}: {fault}. It is another log: restore the shard, or find the log")

    async def _fold(self, polled: Mapping[Partition, Sequence[Any]]) -> list[Batch]:
        """Decode what was polled. Between two partitions the round in flight may go on."""
        batches: list[Batch] = []
        for partition, records in polled.items():
            if not records:
                continue
            if records[0].timestamp_type != 1:
                raise Refused(f"topic {records[0].topic} has no LogAppendTime: log time decides what counts")
            folded = self._folder.fold_all(partition, records, before=self._folded[partition])
            self._folded[partition] = folded[-1].after
            batches += folded
            await asyncio.sleep(0)
        return batches

    async def _round(self, batches: Sequence[Batch]) -> RoundResult:
        began_s = monotonic_s()
        result = await self._applier.run(batches, self.epochs)
        self._tools.metrics.apply_seconds.observe(monotonic_s() - began_s)
        return result

    async def _land(self, result: RoundResult) -> None:
        """After a round: note what was applied, bring the top up to date, publish."""
        for batch in result.applied:
            self.applied[batch.partition] = batch.after
        self._tools.metrics.after_round(result)
        for partition in result.halted:
            raise SessionOver(f"partition {partition}: {self.halted[partition]}")
        for partition, reply in result.refused.items():
            instruction = after_refusal(
                reply,
                epoch=self.epochs[partition],
                writer=self._tools.shard.writer,
                has_lease=self._tools.lease.is_held,
            )
            if isinstance(reply, Fenced):
                self._tools.metrics.fenced.inc()
            elif isinstance(reply, Seek):
                self._tools.metrics.seeks.inc()
            if instruction is Instruction.REFUSE:
                raise Refused(f"partition {partition} of shard {self._tools.settings.shard}: {reply}")
            raise SessionOver(f"partition {partition}: {reply}: {instruction.value}")
        await self._read_stale()
        self._offer(is_changed=self._top.settle())

    async def _read_stale(self) -> None:
        for period in sorted(self._top.stale):
            rows, is_cut = await self._tops.top(period, list(self.applied), count=self._top.tracked)
            self._top.replace(period, rows, is_cut=is_cut)
            self._tools.metrics.recomputations.inc()

    def _offer(self, *, is_changed: bool) -> None:
        is_changed = self._top.settle() or is_changed
        positions = [
            TopPosition(partition, self.epochs[partition], position.next_offset, position.log_ms)
            for partition, position in self.applied.items()
        ]
        snapshot = Snapshot(self._map.version, tuple(positions), tuple(self._views()), dict(self.ends))
        self._tools.publisher.offer(snapshot, is_changed=is_changed)

    def _views(self) -> list[BoardView]:
        return [self._top.view(period) for period in self._top.periods]

    async def _watch(self) -> None:
        """Each second: how long the log is, whether every partition moves, which boards have closed."""
        rounds = 0
        while True:
            await asyncio.sleep(WATCH_S)
            rounds += 1
            await self._look_at_log()
            self._forget_closed()
            if rounds % COMMIT_EVERY == 0:
                await self._commit()
                for partition, users in self._top.drop_surplus_names().items():
                    await self._tools.shard.drop_names(partition, self.epochs[partition], users=users)
            for partition in self.waiting:
                reply = await self._tools.shard.claim(partition, self.epochs[partition], begin=None)
                if isinstance(reply, Claimed):
                    raise SessionOver(f"partition {partition} can be claimed again")
            stalled = [
                partition
                for partition, health in self.health.items()
                if partition not in self.halted and not health.is_ready(monotonic_s())
            ]
            if stalled:
                raise SessionOver(f"no progress in partitions {stalled}: the consumer is replaced")

    async def _look_at_log(self) -> None:
        """Kafka not answering is no fault of the session's; what then is not observed makes it unready."""
        try:
            self.ends = await self._reader.end_offsets()
        except KafkaError as error:
            get_log().warning("log_away", error=f"{type(error).__name__}: {error}")
            return
        self._observe()

    async def _commit(self) -> None:
        try:
            await self._reader.commit({partition: p.next_offset for partition, p in self.applied.items()})
        except KafkaError as error:
            get_log().warning("lag_not_shown", error=f"{type(error).__name__}: {error}")

    def _observe(self) -> None:
        now_s, lags = monotonic_s(), {}
        oldest = now = now_ms()
        for partition, position in self.applied.items():
            lag = max(0, self.ends[partition] - position.next_offset)
            lags[partition] = lag
            if lag and position.log_ms:
                oldest = min(oldest, position.log_ms)
            self.health[partition] = self.health.get(partition, ProgressHealth()).observe(
                position=position.next_offset, lag=lag, now_s=now_s
            )
        self._tools.metrics.lag(lags, seconds=(now - oldest) / 1000)

    def _forget_closed(self) -> None:
        """Boards that no record can change any more are not published: by our clock, and by log time where records are
        still to come."""
        rules, calendar = self._tools.settings.common.rules, self._tools.settings.common.calendar
        behind = [p.log_ms for partition, p in self.applied.items() if self.ends[partition] > p.next_offset]
        latest = min([LogMs(now_ms() - rules.clock_skew_ms), *behind])
        for period in self._top.periods:
            if calendar.parse(period).end_ms + rules.lateness_ms <= latest:
                self._top.forget(PeriodId(period))

    def _raise_fault(self, watch: "asyncio.Task[None]") -> None:
        if watch.done():
            watch.result()
