"""Whether a shard may be reached at another address than the map says: only when nobody serves it at the old one."""

from urllib.parse import urlsplit

from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.ids import ShardId
from foundation.redis_connect import connect
from shard_worker.redis_shard import ShardRedis


async def is_served_at(address: str, shard: ShardId, *, here: ShardRedis) -> bool:
    """Whether another Redis than ours answers there and is the shard's. One that does not answer has been replaced: the
    shard is restored where it is now. Raises RedisError when our own does not answer."""
    own_id = await here.server_id()
    try:
        async with connect(address, connections_max=1) as redis:
            there = ShardRedis(redis, shard=shard, writer="")
            if await there.server_id() == own_id:
                return False  # the same server under another name
            return bool(await redis.hget(redis_keys.LAST_MAP, "shard") == shard.encode())
    except (RedisError, OSError, ValueError):
        return False


def without_password(url: str) -> str:
    """The address as it may be logged."""
    parts = urlsplit(url)
    return url if parts.password is None else parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
