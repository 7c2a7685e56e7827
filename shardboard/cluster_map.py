"""Where the shards are now, for commands: by the map in Postgres, else by the newest map that a shard's Redis keeps,
else by the settings, which need not name shards that joined later."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import asyncpg
import msgspec
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.moves import StoredMap, decode_stored_map
from foundation.postgres_connect import AWAY
from foundation.postgres_map import MapStore
from foundation.redis_connect import connect
from foundation.settings import CommonSettings, ShardAddress, load_common

MAP_S_MAX: Final = 5.0
"""A Postgres that takes longer is taken for one that is away."""


def load_cluster(environ: Mapping[str, str]) -> CommonSettings:
    """The shared settings with the shards of the map. Raises BadSettings; a map that nobody tells is no error."""
    return asyncio.run(with_shards_of_map(load_common(environ)))


async def with_shards_of_map(common: CommonSettings) -> CommonSettings:
    """The settings with the shards that take part by the map, as long as there is one."""
    stored = await read_map(common)
    if stored is None or stored.map is None:
        return common
    return replace(common, shards=tuple(ShardAddress(entry.shard, entry.url) for entry in stored.serving))


async def read_map(common: CommonSettings) -> StoredMap | None:
    """The newest map that anybody tells; None without a Postgres in the settings, and while there is no map."""
    if not common.postgres_url:
        return None
    store = MapStore(common.postgres_url, name="shardboard")
    try:
        async with asyncio.timeout(MAP_S_MAX):
            return await store.read()
    except (asyncpg.PostgresError, ValueError, *AWAY):
        kept = await asyncio.gather(*(_kept(address.url) for address in common.shards))
        return max((each for each in kept if each is not None), key=lambda each: each.version, default=None)
    finally:
        await store.close()


async def _kept(url: str) -> StoredMap | None:
    try:
        async with connect(url, connections_max=1) as redis:
            data: Any = await redis.hget(redis_keys.LAST_MAP, "map")
            return None if data is None else decode_stored_map(data)
    except (RedisError, OSError, ValueError, msgspec.MsgspecError):
        return None
