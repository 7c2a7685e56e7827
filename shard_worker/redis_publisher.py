"""Publishes the shard's top into the cache. The cache being away never stops applying: only the newest top waits.

Steps of a publication: (1) before the first one after any failure, read what is published, so that nothing older than
that follows it; (2) write the top and the change in one round trip. Stopped between or within them, the cache holds an
earlier top, and the next publication brings the newest.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.clock import monotonic_s, now_ms
from contracts.ids import Offset, Partition, ShardId
from contracts.tops import Position, ShardTop, decode_shard_top, encode_top
from foundation.logs import get_log
from foundation.redis_cluster_mark import ClusterMark, check_cluster_mark
from foundation.service import StopSignal
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.local_top import BoardView
from shard_worker.publish_policy import PublishPolicy
from shard_worker.view import Published, boards_of, positions_of

RETRY_S: Final = 0.2
"""Between two tries while the cache is away."""
LOOK_AGAIN_S: Final = 0.001
"""Timers are no finer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The shard at one moment, at the end of a round."""

    map_version: int
    positions: tuple[Position, ...]
    views: tuple[BoardView, ...]
    end_offsets: Mapping[Partition, Offset]


class RedisPublisher:
    """One task runs `run`; the worker's loop calls `offer` after each round."""

    def __init__(
        self,
        cache: Redis,
        *,
        shard: ShardId,
        shown: int,
        interval_s: float,
        may_publish: Callable[[], bool],
        metrics: WorkerMetrics,
    ) -> None:
        """`may_publish` tells, right before each write, whether this worker speaks for the shard."""
        self._cache = cache
        self._shard = shard
        self._shown = shown
        self._may_publish = may_publish
        self._metrics = metrics
        self.mark: ClusterMark | None = None
        """The deployment, once known; the cache must belong to it."""
        self._policy = PublishPolicy(interval_s=interval_s)
        self._newest: Snapshot | None = None
        self._published = Published()
        self._must_read = True
        self._incarnation = 0
        self._sequence = 0
        self._wake = asyncio.Event()
        self.catching_up: frozenset[Partition] = frozenset()
        """Partitions whose rows were carried in the last publication."""

    def begin(self) -> None:
        """A session begins: another worker may have served the shard since we published last. Its tops would make ours
        look old, so the next publication reads what is there first and takes a newer incarnation."""
        self._must_read = True

    def offer(self, snapshot: Snapshot | None, *, is_changed: bool) -> None:
        """The newest state; None when this worker serves the shard no more. `is_changed`: do not wait for a beat."""
        self._newest = snapshot
        if is_changed:
            self._policy = self._policy.changed()
            self._wake.set()

    async def run(self, stop: StopSignal) -> None:
        """Publish until `stop` is set, and once more then if something changed."""
        while not stop.is_set:
            due_in_s = self._policy.due_in_s(monotonic_s())
            assert due_in_s is not None, "one task publishes"
            if self._newest is not None and due_in_s <= 0 and self._may_publish():
                if not await self._publish(self._newest):
                    await stop.sleep(RETRY_S)
                continue
            self._wake.clear()
            try:
                async with asyncio.timeout(max(due_in_s, LOOK_AGAIN_S)):
                    await self._wake.wait()
            except TimeoutError:
                pass
        if self._newest is not None and self._policy.is_changed and self._may_publish():
            await self._publish(self._newest)

    async def _publish(self, snapshot: Snapshot) -> bool:
        self._policy = self._policy.started(monotonic_s())
        succeeded = False
        try:
            if self._must_read:
                await self._read_published()
            await self._write(snapshot)
            succeeded = True
        except (RedisError, OSError) as error:
            self._must_read = True
            get_log().warning("cache_away", error=str(error))
        finally:
            self._policy = self._policy.ended(succeeded=succeeded)
        return succeeded

    async def _read_published(self) -> None:
        if self.mark is not None:
            await check_cluster_mark(self._cache, self.mark, where="the cache")
        raw: Any = await self._cache.hgetall(redis_keys.SHARD_TOPS)
        tops: list[ShardTop] = []
        for shard, data in raw.items():
            try:
                tops.append(decode_shard_top(data))
            except msgspec.MsgspecError as error:
                get_log().error("damaged_shard_top", damaged_shard=shard.decode(errors="replace"), error=str(error))
        previous = max((top.incarnation for top in tops if top.shard == self._shard), default=0)
        if previous >= self._incarnation or not self._incarnation:
            self._incarnation, self._sequence = max(previous + 1, now_ms()), 0
        for top in tops:
            self._published.note(top)
        self._must_read = False

    async def _write(self, snapshot: Snapshot) -> None:
        top = self._top(snapshot)
        async with self._cache.pipeline(transaction=False) as pipe:
            pipe.hset(redis_keys.SHARD_TOPS, self._shard, encode_top(top))
            pipe.xadd(
                redis_keys.SHARD_TOP_CHANGED,
                {"shard": self._shard},
                maxlen=redis_keys.CHANGES_KEPT_MAX,
                approximate=True,
            )
            await pipe.execute()
        self._published.note(top)
        self._metrics.publications.inc()

    def _top(self, snapshot: Snapshot) -> ShardTop:
        carried = self._published.carried(snapshot.positions, snapshot.end_offsets)
        self.catching_up = frozenset(carried)
        self._sequence += 1
        return ShardTop(
            shard=self._shard,
            incarnation=self._incarnation,
            sequence=self._sequence,
            map_version=snapshot.map_version,
            published_at_ms=now_ms(),
            positions=positions_of(snapshot.positions, carried),
            boards=boards_of(snapshot.views, carried, shown=self._shown),
        )
