"""Carries out one handover, step by step, as `move_steps` says, with connections of its own to both servers.

It decides nothing: each method does one step and returns what came of it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import monotonic_s, now_ms
from contracts.ids import ShardId
from contracts.moves import RESTORED_FROM, MovePhase, MoveReport, StoredMap
from contracts.progress import Progress, State
from foundation.logs import get_log
from foundation.postgres_connect import AWAY
from foundation.redis_cluster_mark import check_cluster_mark
from foundation.redis_connect import connect
from foundation.service import Refused
from shard_worker.move_pace import Load, Pace
from shard_worker.move_pages import Digest, Inventory, Page
from shard_worker.move_steps import PHASES, Away, Event, Handover, Order, Step, is_switched, is_wanted, look
from shard_worker.redis_move_archive import MoveArchive, Remake
from shard_worker.redis_move_sides import MoveRefused, Side, Source, compare
from shard_worker.redis_move_tools import MoveTools
from shard_worker.redis_move_wire import PROTOCOL, Wire
from shard_worker.redis_restore import PartitionMaker
from shard_worker.redis_shard import ShardRedis
from shard_worker.restore_steps import Cause, Loss, Missing, Start
from shard_worker.restore_steps import Event as Written

RETRY_S: Final = 0.5
"""Before both servers, or the map, are asked again: a held move then follows a resume soon, a silent server is not
stormed."""
TELL_S: Final = 1.0
"""How often progress within a phase is told."""
PROBE_S: Final = 0.25
"""How often a copy looks whether others suffer."""
ABSENT: Final = Loss(Cause.ABSENT)
_WRITTEN: Final = {Written.DONE: Event.DONE, Written.REFUSED: Event.REFUSED}


class HandoverTask:
    """One handover: `run` once, by one task."""

    def __init__(self, order: Order, tools: MoveTools, *, tell: Callable[[MoveReport], None]) -> None:
        self._order = order
        self._tools = tools
        self._tell_report = tell
        self._handover = Handover()
        self._target_redis = connect(tools.settings.redis_url, protocol=PROTOCOL)
        self._target_shard = ShardRedis(self._target_redis, shard=order.target, writer=tools.shard.writer)
        self._target = Side(self._target_shard, order.partition, role="target", wire=Wire(self._target_redis))
        self._source_redis: Redis | None = None
        self._source_url = ""
        self._source: Source | None = None
        self._silent_since_s: float | None = None
        self._archive = MoveArchive(tools.settings, tools.mark, partition=order.partition)
        self._maker = self._new_maker()
        self._inventory: Inventory | None = None
        self._read = Digest()
        self._pages: AsyncGenerator[list[Page], None] | None = None
        self._remake: Remake | None = None
        self._start: Start | None = None
        self._pace = Pace()
        self._probed_s = 0.0
        self._wrote = 0
        self._reason = ""
        self._begun_ms = now_ms()
        self._fenced_s: float | None = None
        self._paused_ms: int | None = None
        self._told: tuple[MovePhase, str] | None = None
        self._told_s = 0.0
        self._steps: dict[Step, Callable[[], Awaitable[Event]]] = {
            Step.LOOKING: self._look,
            Step.FENCING: self._fence,
            Step.WIPING: self._wipe,
            Step.COPYING: self._copy,
            Step.VERIFYING: self._verify,
            Step.PLANNING: self._plan,
            Step.CLEARING: self._wipe,
            Step.WRITING: self._write,
            Step.OWNING: self._own,
            Step.SWITCHING: self._switch,
            Step.ASKING: self._ask,
        }

    async def run(self) -> Step:
        """Bring it to its end, or as far as the lease goes; the step it ended at."""
        try:
            while not self._handover.is_over and self._tools.lease.is_held:
                before = self._handover.step
                event = await self._carry_out()
                self._handover = self._handover.after(event, chunks=self._wrote)
                after = self._handover.step
                if after is not before:
                    get_log().info("move_step", partition=self._order.partition, epoch=self._order.epoch,
                                   step=after.value, outcome=event.value, reason=self._reason)  # fmt: skip
                self._tell()
                if after in (Step.LOOKING, Step.ASKING, Step.OVER):
                    await asyncio.sleep(RETRY_S)
            if self._handover.step is Step.SWITCHED:
                await self._tell_end()
        finally:
            await self._close()
        self._tools.metrics.moved(self._handover.step.value, rows=self._maker.rows)
        return self._handover.step

    async def _carry_out(self) -> Event:
        self._wrote = 0
        stored = self._tools.follower.current
        if stored is None or not is_wanted(self._order, stored):
            return Event.DROPPED
        try:
            return await self._steps[self._handover.step]()
        except MoveRefused as refused:
            self._reason = str(refused)
            return Event.REFUSED
        except (RedisError, KafkaError, asyncpg.PostgresError, *AWAY) as error:
            self._reason = f"{type(error).__name__}: {error}"
            return Event.FAILED

    # --- the steps, in the order of move_steps.Step ---

    async def _look(self) -> Event:
        await self._close_sources()
        stored = self._tools.follower.current
        assert stored is not None
        target = await self._target.progress()
        source = await self._source_progress(stored)
        event = look(self._order, target=target, source=source, is_paused=stored.limits.is_paused)
        if event is Event.HELD:
            self._reason = self._reason if isinstance(source, Away) else "moves are paused"
        return event

    async def _fence(self) -> Event:
        self._maker = self._new_maker()
        event, inventory = await self._known_source.fence(self._order, self._maker.token)
        if inventory is not None:
            self._inventory = inventory
            self._fenced_s = monotonic_s() if self._fenced_s is None else self._fenced_s
        return event

    async def _wipe(self) -> Event:
        return self._after_write(await self._maker.wipe(ABSENT))

    async def _copy(self) -> Event:
        assert self._inventory is not None
        if self._pages is None:
            self._read = Digest()
            self._pages = self._known_source.pages(self._maker.token, self._inventory, digest=self._read)
            self._reason = ""
        began_s = monotonic_s()
        pages = await anext(self._pages, None)
        if pages is None:
            return Event.EXHAUSTED
        event = self._after_write(await self._maker.write_pages(pages, wire=self._target.wire))
        self._wrote = len(pages)
        users = self._inventory.users * sum(page.rows for page in pages) / self._inventory.rows
        await self._rest(monotonic_s() - began_s, users=users)
        return event

    async def _verify(self) -> Event:
        fault, position = await compare(self._known_source, self._target, token=self._maker.token, read=self._read)
        if fault is not None:
            self._reason = f"the copy differs: {fault}"
            get_log().error("copy_differs", partition=self._order.partition, fault=fault)
            return Event.DIFFERS
        self._start = position.start
        return Event.DONE

    async def _plan(self) -> Event:
        self._maker = self._new_maker()
        remake = await self._archive.plan()
        if isinstance(remake, Missing):
            self._reason = f"the source has nothing, and {remake.reason}"
            return Event.MISSING
        self._remake, self._start, self._reason = remake, remake.start, f"{RESTORED_FROM}{remake.source.value}"
        return Event.DONE

    async def _write(self) -> Event:
        assert self._remake is not None
        began_s = monotonic_s()
        chunks = await anext(self._remake.chunks, None) if self._remake.chunks is not None else None
        if chunks is None:
            return Event.EXHAUSTED
        event = self._after_write(await self._maker.write(chunks))
        self._wrote = len(chunks)
        await self._rest(monotonic_s() - began_s, users=0.0)
        return event

    async def _own(self) -> Event:
        assert self._start is not None
        return self._after_write(await self._maker.own(self._start))

    async def _switch(self) -> Event:
        order = self._order
        if not await self._tools.store.switch(order.partition, move_epoch=order.epoch, target=order.target):
            return Event.DROPPED
        return self._switched()

    async def _ask(self) -> Event:
        stored = await self._tools.store.read()
        if is_switched(self._order, stored):
            return self._switched()
        return Event.INTENDED if is_wanted(self._order, stored) else Event.DROPPED

    # --- what they need ---

    def _switched(self) -> Event:
        if self._fenced_s is not None:
            self._paused_ms = round(1000 * (monotonic_s() - self._fenced_s))
        return Event.DONE

    def _new_maker(self) -> PartitionMaker:
        order = self._order
        return PartitionMaker(
            self._target_shard, order.partition, epoch=order.epoch, shard_id=order.target, state=State.COPYING
        )

    def _after_write(self, written: Written) -> Event:
        if written is Written.REFUSED:
            self._reason = f"target: {self._maker.refusal}"
        return _WRITTEN[written]

    @property
    def _known_source(self) -> Source:
        assert self._source is not None, "looking connected it"
        return self._source

    async def _source_progress(self, stored: StoredMap) -> Progress | Away | None:
        """How the partition stands in the source, or for how long that cannot be known."""
        url = stored.url_of(self._order.source)
        try:
            if url is None:
                raise ConnectionError(f"the map does not know shard {self._order.source} any more")
            await self._connect_source(url)
            progress = await self._known_source.progress()
        except (RedisError, OSError) as error:
            self._reason = f"{self._order.source}: {type(error).__name__}: {error}"
            self._silent_since_s = self._silent_since_s or monotonic_s()
            return Away(round(1000 * (monotonic_s() - self._silent_since_s)))
        except (Refused, ValueError, KeyError) as error:  # another deployment's, or its progress is damaged
            raise MoveRefused(f"{self._order.source}: {error}") from error
        self._silent_since_s = None
        return progress

    async def _connect_source(self, url: str) -> None:
        if self._source_redis is not None and url == self._source_url:
            return
        await self._disconnect_source()
        redis = connect(url, protocol=PROTOCOL)
        try:
            await check_cluster_mark(redis, self._tools.mark, where=f"the Redis of shard {self._order.source}")
        except BaseException:
            await redis.aclose()
            raise
        self._source_redis, self._source_url = redis, url
        shard = ShardRedis(redis, shard=ShardId(self._order.source), writer=self._tools.shard.writer)
        self._source = Source(shard, self._order.partition, wire=Wire(redis))

    async def _rest(self, worked_s: float, *, users: float) -> None:
        """Leave time to others."""
        if monotonic_s() - self._probed_s >= PROBE_S:
            self._pace = self._pace.after(Load(self._tools.metrics.lag_s, await self._latency_ms()))
            restored = f"{RESTORED_FROM}{self._remake.source.value}" if self._remake is not None else ""
            self._reason = self._pace.reason or restored
            self._probed_s = monotonic_s()
        stored = self._tools.follower.current
        limit = stored.limits.users_per_s_max if stored is not None else None
        rest_s = self._pace.rest_s(worked_s=worked_s, users=users, users_per_s_max=limit)
        if rest_s > 0:
            await asyncio.sleep(rest_s)

    async def _latency_ms(self) -> float:
        """Of the slower server, for a call of nothing beside the copy."""
        worst_s = 0.0
        for redis in (self._target_redis, self._source_redis):
            if redis is not None and self._handover.step is not Step.WRITING:
                began_s = monotonic_s()
                await redis.ping()
                worst_s = max(worst_s, monotonic_s() - began_s)
        return 1000 * worst_s

    def _tell(self) -> None:
        phase = PHASES.get(self._handover.step)
        if phase is None:
            return
        is_news = self._told != (phase, self._reason) or monotonic_s() - self._told_s >= TELL_S
        if is_news:
            self._told, self._told_s = (phase, self._reason), monotonic_s()
            self._tell_report(self._report(phase))

    async def _tell_end(self) -> None:
        """How long the partition stood still, told before anybody may call the move done."""
        with suppress(asyncpg.PostgresError, *AWAY):
            await self._tools.store.report(self._report(MovePhase.FORGETTING))

    def _report(self, phase: MovePhase) -> MoveReport:
        total = self._remake.rows if self._remake is not None else self._inventory.rows if self._inventory else 0
        return MoveReport(
            partition=self._order.partition,
            move_epoch=self._order.epoch,
            source=self._order.source,
            target=self._order.target,
            phase=phase,
            reason=self._reason,
            rows_copied=self._maker.rows,
            rows_total=total,
            attempts=self._handover.attempts,
            paused_ms=self._paused_ms,
            begun_ms=self._begun_ms,
            changed_ms=now_ms(),
        )

    async def _close_sources(self) -> None:
        """What an earlier attempt read from is not read on."""
        pages, self._pages = self._pages, None
        if pages is not None:
            await pages.aclose()
        self._remake = None
        with suppress(asyncpg.PostgresError, *AWAY):
            await self._archive.close()

    async def _disconnect_source(self) -> None:
        redis, self._source_redis, self._source = self._source_redis, None, None
        if redis is not None:
            await redis.aclose()

    async def _close(self) -> None:
        await self._close_sources()
        await self._disconnect_source()
        await self._target_redis.aclose()
