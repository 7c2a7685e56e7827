"""Connections to every shard's Redis by the newest map: who joins is asked from then on, who left is not.

Until there is a map, or without Postgres, the shards are those of the settings. For services that look at all shards.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
from redis.asyncio import Redis

from contracts.ids import ShardId
from foundation.logs import get_log
from foundation.postgres_connect import AWAY
from foundation.postgres_map import MapStore
from foundation.redis_connect import connect
from foundation.settings import ShardAddress


class MappedShards:
    """Used by one task."""

    def __init__(
        self, addresses: Sequence[ShardAddress], *, postgres_url: str = "", name: str = "", connections_max: int = 1
    ) -> None:
        self._store = MapStore(postgres_url, name=name) if postgres_url else None
        self._connections_max = connections_max
        self._version = -1
        self._is_away = False
        self._open: dict[ShardId, tuple[str, Redis]] = {}
        self._follow((address.shard, address.url) for address in addresses)

    async def current(self) -> Mapping[ShardId, Redis]:
        """The shards now. While Postgres is away those that were known last."""
        if self._store is not None:
            try:
                await self._look(self._store)
                self._is_away = False
            except (asyncpg.PostgresError, *AWAY) as error:
                if not self._is_away:
                    get_log().warning("map_away", error=f"{type(error).__name__}: {error}")
                self._is_away = True
        return {shard: redis for shard, (_, redis) in self._open.items()}

    async def close(self) -> None:
        """May be called twice."""
        for _, redis in self._open.values():
            await redis.aclose()
        self._open.clear()
        if self._store is not None:
            await self._store.close()

    async def _look(self, store: MapStore) -> None:
        if await store.version() == self._version:
            return
        stored = await store.read()
        self._version = stored.version
        if stored.map is not None:
            gone = self._follow((entry.shard, entry.url) for entry in stored.serving)
            await asyncio.gather(*(redis.aclose() for redis in gone))

    def _follow(self, wanted: Iterable[tuple[ShardId, str]]) -> list[Redis]:
        """Open what is new; returns what is no longer wanted."""
        before, self._open = self._open, {}
        for shard, url in wanted:
            known = before.get(shard)
            if known is not None and known[0] == url:
                self._open[shard] = before.pop(shard)
            else:
                self._open[shard] = (url, connect(url, connections_max=self._connections_max))
        return [redis for _, redis in before.values()]
