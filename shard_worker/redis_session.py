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
from contracts.restore import RestoreRequest
from contracts.shard_map import ShardMap
from contracts.tops import Position as TopPosition
from foundation.health import ProgressHealth
from foundation.logs import get_log
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Batch, Folder, Position
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.kafka_dead_letters import DeadLetters
from shard_worker.kafka_reader import KafkaReader
from shard_worker.local_top import BoardView, LocalTop
from shard_worker.partition_state import Instruction, after_refusal
from shard_worker.redis_applier import Applier, RoundResult
from shard_worker.redis_claims import take
from shard_worker.redis_lease import Lease
from shard_worker.redis_publisher import RedisPublisher, Snapshot
from shard_worker.redis_restore_requests import read_requests
from shard_worker.redis_restorer import Restorer, RestoreTools
from shard_worker.redis_shard import ShardRedis
from shard_worker.redis_top_reader import TopReader
from shard_worker.replies import Claimed, Fenced, Seek
from shard_worker.restore_steps import Cause, Loss
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

    def __init__(self, tools: Tools, shard_map: ShardMap, *, mark: ClusterMark) -> None:
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
        self._asked: dict[Partition, tuple[str, RestoreRequest]] = {}
        self.restorer = Restorer(
            RestoreTools(settings, mark, tools.redis, tools.shard, tools.lease, tools.metrics), self.epochs
        )
        self.is_following = False

    @property
    def halted(self) -> Mapping[Partition, str]:
        """Partitions that are served but not read on, because too much of their log is dead; with the reason."""
        return self._tools.breaker.tripped

    async def open(self) -> None:
        """Claim, compare with the log, read the tops. What cannot be followed is restored beside the rest.

        Raises Refused when keys are damaged.
        """
        self._tools.publisher.begin()
        await self._reader.start()
        await self._take(set(self.epochs))
        self.is_following = True

    async def follow(self, stop: StopSignal) -> None:
        """Apply until `stop` is set or the lease is lost. Raises SessionOver, or what its servers' clients raise."""
        beside = [
            asyncio.create_task(self._watch(), name="watch"),
            asyncio.create_task(self.restorer.run(), name="restorer"),
        ]
        flight: asyncio.Task[RoundResult] | None = None
        try:
            while not stop.is_set and self._tools.lease.is_held:
                self._raise_fault(beside)
                polled = await self._reader.poll(
                    wait_s=0 if flight else POLL_WAIT_S, records_max=self._tools.settings.poll_records_max
                )
                batches = await self._fold(polled)
                if flight is not None:
                    await self._land(await flight)
                    flight = None
                if self._asked or self.restorer.to_take:
                    await self._change_partitions()
                    batches = [batch for batch in batches if batch.partition in self.applied]
                flight = asyncio.create_task(self._round(batches), name="round") if batches else None
                await asyncio.sleep(0)  # the calls leave before the next poll is decoded
            if flight is not None:
                await self._land(await flight)
                flight = None
            await self._commit()
        finally:
            ending = [*beside, flight] if flight is not None else beside
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def close(self) -> None:
        """Give the connections back; may be called twice. What was offered last is published on."""
        await self.restorer.close()
        await self._reader.close()

    async def _take(self, partitions: set[Partition]) -> None:
        """Follow these partitions if they can be followed, from the next poll on."""
        bounds = await self._reader.bounds()
        taken = await take(
            self._tools.shard,
            self._reader,
            epochs={partition: self.epochs[partition] for partition in sorted(partitions)},
            bounds=bounds,
            may_begin=not self._tools.settings.common.postgres_url,
        )
        self.waiting |= taken.waiting
        for partition, loss in taken.lost.items():
            self.restorer.want(partition, loss)
        for partition, claim in taken.claims.items():
            self.applied[partition] = self._folded[partition] = Position(claim.next_offset, claim.log_ms)
            if partition in self.halted:
                get_log().error("partition_halted", partition=partition, reason=self.halted[partition])
            else:
                self._reader.follow(partition, claim.next_offset)
        self.ends = {partition: bound.end for partition, bound in bounds.items()}
        self._top.mark_stale(await self._tops.boards(list(taken.claims)))
        for partition in taken.claims:
            for user, name in (await self._tops.names(partition)).items():
                self._top.rename(user, partition, name=name)
        await self._read_stale()
        self._observe()
        self._offer(is_changed=True)
        await self.restorer.follow(taken.claims)
        if taken.claims:
            get_log().info("following", partitions=len(self.applied), lost=len(self.restorer.lost))

    async def _change_partitions(self) -> None:
        """Between two rounds: let go of what an operator wants restored, follow what was restored."""
        asked, self._asked = self._asked, {}
        for partition, (request_id, request) in asked.items():
            if partition in self.restorer.lost:
                self.restorer.ask(partition, wanted=request.source, request=request_id)
            elif partition in self.applied:
                given_up = self._let_go(partition)
                loss = Loss(Cause.ASKED, given_up=given_up, wanted=request.source, request=request_id)
                self.restorer.want(partition, loss)
        await self._read_stale()
        to_take = set(self.restorer.to_take)
        if to_take:
            await self._take(to_take)
            self.restorer.to_take -= to_take

    def _let_go(self, partition: Partition) -> Offset:
        """Follow this partition no more; where it stands."""
        self._reader.leave(partition)
        self.health.pop(partition, None)
        del self._folded[partition]
        self._top.mark_stale(self._top.periods)
        return self.applied.pop(partition).next_offset

    async def _fold(self, polled: Mapping[Partition, Sequence[Any]]) -> list[Batch]:
        """Decode what was polled. Between two partitions the round in flight may go on."""
        batches: list[Batch] = []
        for partition, records in polled.items():
            if not records or partition not in self._folded:
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
            self._asked |= await read_requests(self._tools.redis, self.epochs)
            await self._look_for_roll_back()
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

    async def _look_for_roll_back(self) -> None:
        """A partition without new records would not notice that Redis lost the last ones."""
        applied = dict(self.applied)
        stored = await self._tools.shard.positions(list(applied))
        for partition, position in applied.items():
            there = stored[partition]
            if partition in self.applied and (there is None or there < position.next_offset):
                raise SessionOver(f"partition {partition}: Redis went back from {position.next_offset} to {there}")

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

    def _raise_fault(self, beside: "Sequence[asyncio.Task[None]]") -> None:
        for task in beside:
            if task.done():
                task.result()
