"""The shard map as one worker follows it: from Postgres, and kept in the shard's Redis for starts without Postgres.

Without Postgres in the settings the map is what they say, and nothing ever moves.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import asyncpg
import msgspec
from redis.exceptions import RedisError

from contracts.moves import WEIGHT_DEFAULT, StoredMap
from contracts.shard_map import ShardEntry
from foundation.logs import get_log
from foundation.map_follower import MapFollower
from foundation.postgres_connect import AWAY
from foundation.postgres_map import MapStore
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal
from partitioning.ring import static_map
from shard_worker.redis_first_map import first_map
from shard_worker.redis_readdress import is_served_at, without_password
from shard_worker.redis_shard import ShardRedis
from shard_worker.settings import Settings

KEEP_AGAIN_S: Final = 30.0
"""The map is written to the shard's Redis anew after this time: a Redis that lost everything has it again."""
RETRY_S: Final = 1.0
"""Between two tries to keep the map, or to join, while a server is away."""


class NoMap(Exception):
    """There is no map to serve by at the moment; the message says why."""


class WorkerMap:
    """One per worker process. `run` is a task; `open` begins each session."""

    def __init__(self, settings: Settings, shard: ShardRedis, *, may_keep: Callable[[], bool]) -> None:
        """`may_keep` tells whether this worker speaks for the shard."""
        self._settings = settings
        self._shard = shard
        self._may_keep = may_keep
        url = settings.common.postgres_url
        self.store = MapStore(url, name=f"shardboard worker {settings.shard}") if url else None
        self.follower = MapFollower(self.store) if self.store is not None else None
        self._static: StoredMap | None = None
        self._entry = ShardEntry(settings.shard, settings.redis_url, WEIGHT_DEFAULT)
        self._is_open = False
        self._is_known_here = False
        """Whether this Redis was this shard's before we came: its address may then be another than the map says."""
        self._has_joined = False
        self._has_kept = False

    @property
    def current(self) -> StoredMap | None:
        """The newest map; None as long as none is known."""
        return self.follower.current if self.follower is not None else self._static

    @property
    def fault(self) -> str:
        """Why the map in Postgres is not followed; empty when it is."""
        return self.follower.refused if self.follower is not None else ""

    async def open(self, mark: ClusterMark) -> StoredMap:
        """The map to begin a session with. The Redis is known to be this deployment's.

        Raises NoMap, Refused, RedisError.
        """
        if self.follower is None:
            addresses = self._settings.common.shards
            entries = tuple(ShardEntry(address.shard, address.url, WEIGHT_DEFAULT) for address in addresses)
            shard_map = static_map(mark.partitions, [address.shard for address in addresses])
            self._static = StoredMap(version=shard_map.version, map=shard_map, shards=entries)
            return self._static
        await self._read_kept(self.follower)
        self._is_open = True
        stored = self.follower.current
        if stored is None:
            raise NoMap("Postgres has not answered yet, and this shard's Redis keeps no shard map")
        if stored.map is None:
            stored = await self._seed(self.follower, mark)
        assert stored.map is not None
        if stored.map.partitions != mark.partitions:
            raise Refused(
                f"topic {mark.topic} has {mark.partitions} partitions, the shard map {stored.map.partitions}: "
                "a user's partition depends on that number. Use the topic that the map was made for"
            )
        return stored

    async def run(self, stop: StopSignal) -> None:
        """Follow the map until `stop` is set. Raises Refused when another Redis is this shard's by the map."""
        if self.follower is None or self.store is None:
            await stop.wait()
            return
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.follower.run(stop), name="map follower")
                keeper = tasks.create_task(self._keep(self.follower, stop), name="map keeper")
                joiner = tasks.create_task(self._join(self.store, stop), name="joiner")
                await stop.wait()
                keeper.cancel()
                joiner.cancel()
        finally:
            await self.store.close()

    async def _read_kept(self, follower: MapFollower) -> None:
        try:
            kept = await self._shard.kept_map()
        except msgspec.MsgspecError as error:
            raise Refused(f"the shard map kept in the Redis of shard {self._settings.shard}: {error}") from error
        if kept is None:
            return
        shard, stored = kept
        if shard != self._settings.shard:
            raise Refused(f"this Redis is that of shard {shard}, not of {self._settings.shard}: give the right address")
        self._is_known_here = self._is_known_here or not self._has_kept
        follower.know(stored)

    async def _seed(self, follower: MapFollower, mark: ClusterMark) -> StoredMap:
        """Make the first map if nothing speaks against it. Several shards may do so at once: they make the same."""
        assert self.store is not None
        common = self._settings.common
        if self._settings.shard not in [address.shard for address in common.shards]:
            raise NoMap("there is no shard map yet; a shard of SHARDBOARD_SHARDS makes it")
        try:
            is_made = await self._make(self.store, mark)
            follower.take(await self.store.read())
        except (asyncpg.PostgresError, RedisError, *AWAY) as error:
            raise NoMap(f"there is no shard map yet, and none can be made: {error or type(error).__name__}") from error
        if is_made:
            get_log().info("map_made", partitions=mark.partitions, shards=len(common.shards))
        stored = follower.current
        if stored is None or stored.map is None:
            raise NoMap(follower.refused or "there is no shard map yet")
        return stored

    async def _make(self, store: MapStore, mark: ClusterMark) -> bool:
        addresses = self._settings.common.shards
        try:
            shard_map = await first_map(addresses, mark)
        except Refused:
            # Another worker may have made it since we looked: then Postgres had it before any shard's Redis did.
            if (await store.read()).map is None:
                raise
            return False
        entries = [ShardEntry(address.shard, address.url, WEIGHT_DEFAULT) for address in addresses]
        return await store.seed(shard_map, entries)

    def _may_vouch(self, stored: StoredMap) -> bool:
        """Whether the Redis is the shard's, and we speak for it: what we keep there says so later, at any address."""
        is_ours = self._is_known_here or stored.url_of(self._entry.shard) == self._entry.url
        return self._is_open and is_ours and self._may_keep()

    async def _keep(self, follower: MapFollower, stop: StopSignal) -> None:
        """Keep the newest map in the shard's Redis, while this worker serves the shard."""
        version = -1
        while not stop.is_set:
            with suppress(TimeoutError):
                async with asyncio.timeout(KEEP_AGAIN_S):
                    await follower.newer_than(version)
            stored = follower.current
            try:
                if stored is not None and stored.map is not None and self._may_vouch(stored):
                    self._has_kept = True
                    await self._shard.keep_map(stored)
                    version = stored.version
                    continue
            except (RedisError, OSError) as error:
                get_log().warning("map_not_kept", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(RETRY_S)

    async def _join(self, store: MapStore, stop: StopSignal) -> None:
        """Announce the shard to the map, as soon as both servers answer."""
        while not self._has_joined and not stop.is_set:  # the driver may swallow a cancellation while it connects
            current = self.current
            if self._is_open and self._may_keep() and current is not None and current.map is not None:
                try:
                    await self._announce(store)
                    self._has_joined = True
                except (asyncpg.PostgresError, RedisError, *AWAY):
                    pass  # the follower tells that Postgres is away, the session that Redis is
            await asyncio.sleep(RETRY_S)

    async def _announce(self, store: MapStore) -> None:
        shard, url = self._entry.shard, self._entry.url
        address = (await store.read()).url_of(shard)  # ours may be the map of an earlier start
        if address is not None and address != url and not await is_served_at(address, shard, here=self._shard):
            get_log().warning("shard_readdressed", before=without_password(address), now=without_password(url))
            await store.readdress(shard, url)
        await store.join(self._entry)
