"""The worker of one shard: stands by for the lease, then runs one session after the other until it shall drain."""

import asyncio
import secrets
from collections.abc import Callable
from typing import Final

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from contracts.clock import monotonic_s
from contracts.moves import StoredMap
from foundation.http_internal import Readiness, internal_port
from foundation.kafka_cluster import read_cluster_mark
from foundation.logs import get_log
from foundation.redis_cluster_mark import check_cluster_mark, check_never_evicts
from foundation.redis_connect import connect
from foundation.service import StopSignal
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.kafka_dead_letters import DeadLetters
from shard_worker.redis_lease import Lease
from shard_worker.redis_map import NoMap, WorkerMap
from shard_worker.redis_mover import RedisMover
from shard_worker.redis_publisher import RedisPublisher
from shard_worker.redis_session import Session
from shard_worker.redis_session_tools import Tools
from shard_worker.redis_shard import ShardRedis
from shard_worker.redis_watch import SessionOver
from shard_worker.settings import Settings

RETRY_MIN_S: Final = 0.05
RETRY_MAX_S: Final = 1.0
"""Between two sessions while a server is away: soon enough after it returns, without a storm of claims."""
STAND_BY_S: Final = 0.05
"""How often a standby looks whether its lease keeper got the lease."""
WRITER_BYTES: Final = 12
"""A writer token must never repeat: 96 random bits."""


async def serve(settings: Settings, stop: StopSignal) -> None:
    """Run until `stop` is set. Raises Refused, OSError when the internal port is taken."""
    worker = Worker(settings)
    listen, registry = settings.common.admin_listen, worker.metrics.registry
    async with internal_port(listen, registry, readiness=worker.readiness, shard=settings.shard):
        await worker.run(stop)


class Worker:
    """One worker process."""

    def __init__(self, settings: Settings) -> None:
        common = settings.common
        self._settings = settings
        self.metrics = WorkerMetrics(settings.shard)
        self._redis = connect(settings.redis_url)
        self._cache = connect(common.cache_url)
        shard = ShardRedis(self._redis, shard=settings.shard, writer=secrets.token_hex(WRITER_BYTES))
        lease = Lease(shard, lease_ms=settings.lease_ms)
        self._tools = Tools(
            settings=settings,
            redis=self._redis,
            shard=shard,
            lease=lease,
            map=WorkerMap(settings, shard, may_keep=lambda: lease.is_held),
            publisher=RedisPublisher(
                self._cache,
                shard=settings.shard,
                shown=settings.top_rows,
                interval_s=settings.publish_interval_ms / 1000,
                may_publish=lambda: lease.is_held,
                metrics=self.metrics,
            ),
            dead_letters=DeadLetters(common.kafka, topic=common.dead_topic, source=common.actions_topic),
            metrics=self.metrics,
            breaker=DeadBreaker(),
            make_mover=RedisMover,
        )
        self._session: Session | None = None
        self.metrics.map_version.set_function(lambda: self._served_by(lambda session: session.served.map_version))
        self.metrics.waiting.set_function(lambda: self._served_by(lambda session: len(session.served.waiting)))
        self.metrics.map_refused.set_function(lambda: bool(self._tools.map.fault))

    async def run(self, stop: StopSignal) -> None:
        """Sessions until `stop` is set, then the last top, then the lease given up. Raises Refused."""
        helpers_stop = StopSignal()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._tools.lease.run(helpers_stop), name="lease")
                tasks.create_task(self._tools.publisher.run(helpers_stop), name="publisher")
                tasks.create_task(self._tools.map.run(helpers_stop), name="map")
                await self._run_sessions(stop)
                helpers_stop.set()
            await self._tools.lease.drop()
        finally:
            await self._tools.dead_letters.close()
            await self._redis.aclose()
            await self._cache.aclose()

    def readiness(self) -> Readiness:
        """A standby is ready to take over; an active worker when every partition advances or is at the log's end."""
        session, shard = self._session, self._settings.shard
        if session is None:
            standby: dict[str, object] = {
                "shard": shard,
                "role": "standby",
                "map_fault": self._tools.map.fault,
                "partitions": {},
            }
            return Readiness(self._tools.lease.is_elsewhere, standby)
        now_s, served = monotonic_s(), session.served
        is_moving = all(health.is_ready(now_s) for health in served.health.values())
        is_ready = session.is_following and is_moving and not served.halted and not served.restorer.lost
        return Readiness(
            is_ready,
            {
                "shard": shard,
                "role": "active",
                "map_version": served.map_version,
                "map_fault": self._tools.map.fault,
                "partitions": {
                    str(partition): {"next_offset": position.next_offset, "end_offset": served.ends.get(partition)}
                    for partition, position in served.applied.items()
                },
                "waiting": sorted(served.waiting),
                "restoring": {str(p): str(loss) for p, loss in served.restorer.lost.items()},
                "refused": {str(p): reason for p, reason in served.restorer.refused.items()},
                "halted": {str(partition): reason for partition, reason in served.halted.items()},
                "catching_up": sorted(self._tools.publisher.catching_up),
            },
        )

    def _served_by(self, number: Callable[[Session], float]) -> float:
        """Something of the session; 0 while there is none."""
        return 0 if self._session is None else number(self._session)

    async def _run_sessions(self, stop: StopSignal) -> None:
        retry_s, told = RETRY_MIN_S, ""
        while not stop.is_set:
            if not self._tools.lease.is_held:
                self._tools.publisher.offer(None, is_changed=False)
                await stop.sleep(STAND_BY_S)
                continue
            began_s = monotonic_s()
            try:
                await self._run_session(stop)
            except (SessionOver, NoMap) as over:
                if str(over) != told:
                    get_log().warning("session_over", reason=str(over))
                told = str(over)
            except (RedisError, KafkaError, OSError) as error:
                get_log().warning("session_broken", error=f"{type(error).__name__}: {error}")
            if monotonic_s() - began_s > RETRY_MAX_S:
                retry_s, told = RETRY_MIN_S, ""
            await stop.sleep(retry_s)
            retry_s = min(2 * retry_s, RETRY_MAX_S)

    async def _run_session(self, stop: StopSignal) -> None:
        stored = await self._check_ground()
        assert self._tools.publisher.mark is not None
        session = Session(self._tools, stored, mark=self._tools.publisher.mark)
        self._session = session
        try:
            await session.open()
            await session.follow(stop)
        finally:
            self._session = None
            await session.close()

    async def _check_ground(self) -> StoredMap:
        """Refuse servers that are not this deployment's; return the map."""
        common = self._settings.common
        mark = await read_cluster_mark(common)
        where = f"the Redis of shard {self._settings.shard}"
        await check_cluster_mark(self._redis, mark, where=where)
        await check_never_evicts(self._redis, where=where)
        await self._tools.shard.load_functions()
        self._tools.publisher.mark = mark
        return await self._tools.map.open(mark)
