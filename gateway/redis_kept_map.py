"""The shard map that shards keep in their Redis, for gateways that start while Postgres is away."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.moves import StoredMap, decode_stored_map
from foundation.logs import get_log
from foundation.map_follower import MapFollower
from foundation.redis_connect import connect
from foundation.settings import ShardAddress

GRACE_S: Final = 1.0
"""Postgres answers within that time where it is there: then no shard is asked."""
SOCKET_TIMEOUT_S: Final = 1.0


async def know_kept_map(maps: MapFollower, shards: Sequence[ShardAddress]) -> None:
    """As long as no map is known, look for one in the shards of the settings, and go on with the newest of them.

    Returns once a map is known. Postgres, when it answers, goes on from there.
    """
    await asyncio.sleep(GRACE_S)
    while maps.current is None:
        found = [kept for shard in shards if (kept := await read_kept_map(shard.url)) is not None]
        if found:
            newest = max(found, key=lambda stored: stored.version)
            get_log().warning("map_from_shard", version=newest.version)
            maps.know(newest)
        else:
            await asyncio.sleep(GRACE_S)


async def read_kept_map(url: str) -> StoredMap | None:
    """The map that one shard keeps; None when it keeps none, or does not answer."""
    redis = connect(url, socket_timeout_s=SOCKET_TIMEOUT_S, connections_max=1)
    try:
        data: Any = await redis.hget(redis_keys.LAST_MAP, "map")
        return None if data is None else decode_stored_map(data)
    except (RedisError, OSError, msgspec.MsgspecError):
        return None
    finally:
        await redis.aclose()
