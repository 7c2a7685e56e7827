"""One session of an archiver: a connection to Postgres and a membership in the consumer group. It follows the
partitions that it is given. Whatever fails ends it; the next one begins from what Postgres then holds."""

import asyncio
from collections.abc import Sequence
from typing import Final

from aiokafka.errors import KafkaError

from archiver.http_metrics import ArchiverMetrics
from archiver.kafka_reader import KafkaReader
from archiver.place import Place
from archiver.postgres_archive import Arrival, archive
from archiver.postgres_flight import Flight
from archiver.postgres_places import PositionMoved, read_places
from archiver.postgres_scores import flush
from archiver.score_fold import BoardClock
from archiver.settings import Settings
from contracts.clock import monotonic_s
from contracts.ids import Offset, Partition
from foundation.health import ProgressHealth
from foundation.logs import get_log
from foundation.postgres_connect import Connection, connect
from foundation.service import Refused, StopSignal

POLL_WAIT_S: Final = 0.1
"""Longest wait for records: draining, rebalances and flushes are looked at in between."""
WATCH_S: Final = 1.0
"""How often the log's ends are asked for: lag and health are as fresh as this."""
PLANNER: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""Every statement of the archive finds its rows by key. A planner that counts on a small or never analysed table would
read it whole, for each batch again."""


class SessionOver(Exception):
    """Something moved under the session; the message says what. A new session finds out where things stand."""


class Session:
    """Call `open`, then `follow`, then `close` in any case. Any exception ends it."""

    def __init__(self, settings: Settings, metrics: ArchiverMetrics, *, partitions: int) -> None:
        common = settings.common
        self._settings = settings
        self._metrics = metrics
        self._rules = common.rules
        self._clock = BoardClock(common.rules, common.calendar)
        self.reader = KafkaReader(common.kafka, topic=common.actions_topic, group=settings.group, partitions=partitions)
        self._connection: Connection | None = None
        self.places: dict[Partition, Place] = {}
        """Partitions that are followed."""
        self.ends: dict[Partition, Offset] = {}
        self.health: dict[Partition, ProgressHealth] = {}
        self.is_following = False
        self._flight = Flight()
        self._flushed_s = monotonic_s()

    async def open(self) -> None:
        """Connect to both. Raises KafkaError, one of `postgres_connect.AWAY`."""
        self._connection = await connect(
            self._settings.common.postgres_url, name="shardboard archiver", settings=PLANNER
        )
        await self.reader.start()

    async def follow(self, stop: StopSignal) -> None:
        """Archive until `stop` is set. Raises SessionOver, Refused, KafkaError, one of `postgres_connect.AWAY`."""
        watch = asyncio.create_task(self._watch(), name="watch")
        try:
            while not stop.is_set:
                if watch.done():
                    watch.result()
                try:
                    await self._go_on()
                except PositionMoved as moved:
                    await self._on_moved(moved)
            await self._flight.land()
            await self._flush()
            await self.reader.commit({p: place.raw.next_offset for p, place in self.places.items()})
        except PositionMoved:
            return  # while draining: whoever moved them goes on
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def close(self) -> None:
        """Give both connections back; may be called twice."""
        if self._connection is not None:
            self._connection.terminate()
        await self._flight.cancel()
        await self.reader.close()

    async def _go_on(self) -> None:
        """Read and decode one poll while the one before is written, then have it written."""
        if self.reader.has_changed:
            await self._flight.land()
            await self._take_assignment()
        polled = await self.reader.poll(wait_s=POLL_WAIT_S, records_max=self._settings.poll_records_max)
        arrivals = await self._flight.decode(self.places, polled)
        await self._flight.land()
        self._flight.start(self._write(arrivals), arrivals)

    async def _take_assignment(self) -> None:
        assigned = self.reader.take_assignment()
        if assigned is None:  # taken away, not shared out yet
            self.places, self.health, self.is_following = {}, {}, False
            return
        self.places, self.health = {}, {}
        await self._place(assigned)
        self.is_following = True
        get_log().info("following", partitions=len(assigned))

    async def _place(self, partitions: set[Partition]) -> None:
        """Read where the archive stands and follow the log from there."""
        if not partitions:
            return
        begins = await self.reader.begin_offsets(partitions)
        places = await read_places(self._open_connection, begins, rules=self._rules)
        # Asked for last: another archiver may still be moving them on.
        ends = await self.reader.end_offsets(partitions)
        self.ends |= ends
        self.places |= places
        for partition in partitions:
            raw, begin, end = places[partition].raw, begins[partition], ends[partition]
            fault = _log_fault(raw.next_offset, begin, end=end)
            if fault is not None:
                raise Refused(f"partition {partition}: {fault}")
            last = raw.last if raw.last is not None and raw.last.offset >= begin else None
            self.reader.follow(partition, raw.next_offset, last=last)
        self._observe()

    async def _write(self, arrivals: Sequence[Arrival]) -> None:
        """Archive, and bring the scores up to date when it is time."""
        if any(arrival.is_near_bounds and arrival.place.is_behind for arrival in arrivals):
            await self._flush()
        if arrivals:
            with self._metrics.archive_seconds.time():
                archived = await archive(self._open_connection, arrivals, rules=self._rules, clock=self._clock)
            self._metrics.archived(archived.outcomes)
        if self._is_flush_due():
            await self._flush()

    def _is_flush_due(self) -> bool:
        pending = sum(len(place.pending) for place in self.places.values())
        self._metrics.scores_pending.set(pending)
        waited_ms = (monotonic_s() - self._flushed_s) * 1000
        return pending >= self._settings.pending_max or waited_ms >= self._settings.scores_interval_ms

    async def _flush(self) -> None:
        places = list(self.places.values())
        if any(place.is_behind for place in places):
            with self._metrics.scores_seconds.time():
                await flush(self._open_connection, places, rules=self._rules, clock=self._clock)
        self._flushed_s = monotonic_s()

    async def _on_moved(self, moved: PositionMoved) -> None:
        """Another archiver wrote our partitions: it is ahead, or a rebalance is under way. Read where they stand."""
        self._metrics.positions_moved.inc()
        get_log().warning("positions_moved", reason=str(moved), partitions=sorted(self.places))
        if not self.reader.has_changed:
            await self._place(set(self.places))

    async def _watch(self) -> None:
        """Each second: how long the log is, and whether every partition moves."""
        while True:
            await asyncio.sleep(WATCH_S)
            if not self.places:
                continue
            try:
                self.ends |= await self.reader.end_offsets(list(self.places))
            except KafkaError as error:
                get_log().warning("log_away", error=f"{type(error).__name__}: {error}")
            else:
                self._observe()
                await self.reader.commit({p: place.raw.next_offset for p, place in self.places.items()})
            now_s = monotonic_s()
            stalled = [partition for partition, health in self.health.items() if not health.is_ready(now_s)]
            if stalled:
                raise SessionOver(f"no progress in partitions {stalled}: the consumer is replaced")

    def _observe(self) -> None:
        now_s, lags = monotonic_s(), {}
        for partition, place in self.places.items():
            lags[partition] = lag = max(0, self.ends[partition] - place.raw.next_offset)
            self.health[partition] = self.health.get(partition, ProgressHealth()).observe(
                position=place.raw.next_offset, lag=lag, now_s=now_s
            )
        self._metrics.lag(lags)

    @property
    def _open_connection(self) -> Connection:
        assert self._connection is not None
        return self._connection


def _log_fault(next_offset: Offset, begin: Offset, *, end: Offset) -> str | None:
    """Say why the log cannot be followed from `next_offset`, or None."""
    if next_offset > end:
        return (
            f"it is archived up to offset {next_offset}, but the log ends at {end}: it is another log, or lost its tail"
        )
    if next_offset < begin:
        return (
            f"offset {next_offset} comes next, but the log begins at {begin}: "
            "retention removed records that were never archived"
        )
    return None
