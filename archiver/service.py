"""The archiver: one session after the other, and beside it the jobs that close boards and retire rows."""

import asyncio
from typing import Final

from aiokafka.errors import KafkaError

from archiver.http_metrics import ArchiverMetrics
from archiver.postgres_jobs import Jobs
from archiver.postgres_migrate import schema_status, upgrade
from archiver.postgres_session import Session, SessionOver
from archiver.redis_sweep import Sweep
from archiver.settings import Settings
from contracts.clock import monotonic_s
from contracts.ids import Offset, Partition
from foundation.http_internal import Readiness, internal_port
from foundation.kafka_cluster import read_cluster_mark
from foundation.logs import get_log
from foundation.mapped_shards import MappedShards
from foundation.metrics import Metrics
from foundation.postgres_connect import AWAY, connect
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal

RETRY_MIN_S: Final = 0.1
RETRY_MAX_S: Final = 2.0
"""Between two sessions while a server is away: soon enough after it returns, without a storm of rebalances."""


async def serve(settings: Settings, stop: StopSignal) -> None:
    """Run until `stop` is set. Raises Refused, OSError when the internal port is taken."""
    archiver = Archiver(settings)
    listen, registry = settings.common.admin_listen, archiver.metrics.registry
    async with internal_port(listen, registry, readiness=archiver.readiness):
        await archiver.run(stop)


class Archiver:
    """One archiver process."""

    def __init__(self, settings: Settings) -> None:
        common = settings.common
        self._settings = settings
        self.metrics = ArchiverMetrics(Metrics())
        self._session: Session | None = None
        self._sweep = Sweep(MappedShards(common.shards, postgres_url=common.postgres_url, name="shardboard archiver"))

    async def run(self, stop: StopSignal) -> None:
        """Until `stop` is set; a server that is away is tried again and again. Raises Refused, in a group."""
        jobs = Jobs(
            self._settings,
            self.metrics,
            ends=self._end_offsets,
            is_following=lambda: self._session is not None,
            sweep=self._sweep,
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(jobs.run(stop), name="jobs")
                await self._run_sessions(stop)
        finally:
            await self._sweep.close()

    def readiness(self) -> Readiness:
        """Ready: it has its share of the partitions, and each of them advances or is at the log's end."""
        session = self._session
        if session is None:
            return Readiness(False, {"partitions": {}})
        now_s = monotonic_s()
        is_ready = session.is_following and all(health.is_ready(now_s) for health in session.health.values())
        partitions = {
            str(partition): {
                "next_offset": place.raw.next_offset,
                "scores_next": place.scores_next,
                "end_offset": session.ends.get(partition),
            }
            for partition, place in session.places.items()
        }
        return Readiness(is_ready, {"partitions": partitions})

    async def _end_offsets(self) -> dict[Partition, Offset] | None:
        return None if self._session is None else await self._session.reader.end_offsets()

    async def _run_sessions(self, stop: StopSignal) -> None:
        retry_s = RETRY_MIN_S
        while not stop.is_set:
            began_s = monotonic_s()
            try:
                await self._run_session(stop)
            except SessionOver as over:
                self._note("stalled", str(over))
            except KafkaError as error:
                self._note("kafka", f"{type(error).__name__}: {error}")
            except AWAY as error:
                self._note("postgres", f"{type(error).__name__}: {error}")
            if monotonic_s() - began_s > RETRY_MAX_S:
                retry_s = RETRY_MIN_S
            if not stop.is_set:
                await stop.sleep(retry_s)
            retry_s = min(2 * retry_s, RETRY_MAX_S)

    async def _run_session(self, stop: StopSignal) -> None:
        mark = await self._check_ground()
        session = Session(self._settings, self.metrics, partitions=mark.partitions)
        try:
            await session.open()
            self._session = session
            await session.follow(stop)
        finally:
            self._session = None
            await session.close()

    async def _check_ground(self) -> ClusterMark:
        """Refuse servers that are not this deployment's, and a schema that is not this version's."""
        common = self._settings.common
        mark = await read_cluster_mark(common)
        connection = await connect(common.postgres_url, name="shardboard archiver start")
        try:
            if self._settings.upgrades_schema:
                await upgrade(connection)
            status = await schema_status(connection)
            if not status.is_current:
                raise Refused(f"the database lacks {', '.join(status.missing)}: run `shardboard db upgrade`")
            await store_postgres_mark(connection, mark)
        finally:
            connection.terminate()
        return mark

    def _note(self, reason: str, message: str) -> None:
        self.metrics.sessions.labels(reason).inc()
        get_log().warning("session_over", reason=reason, error=message)
