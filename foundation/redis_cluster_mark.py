"""Which deployment a Redis belongs to: `lb:cluster`, stored by the first service that uses it; others are refused."""

from dataclasses import asdict, dataclass

from redis.asyncio import Redis

from contracts import redis_keys
from foundation.service import Refused


@dataclass(frozen=True, slots=True)
class ClusterMark:
    """What is fixed for the life of a deployment."""

    deployment: str
    """Kafka's cluster id."""
    topic: str
    partitions: int
    periods: str
    """`PeriodCalendar.spec`."""
    window_ms: int


async def check_cluster_mark(redis: Redis, mark: ClusterMark, *, where: str) -> None:
    """Store the mark in a Redis that has none, and return if the one stored is equal. May be called by several at once.

    `where` names the Redis. Raises Refused with both values, RedisError when it does not answer.
    """
    wanted = {name: str(value) for name, value in asdict(mark).items()}
    async with redis.pipeline(transaction=True) as pipe:
        for name, value in wanted.items():
            pipe.hsetnx(redis_keys.CLUSTER, name, value)
        pipe.hgetall(redis_keys.CLUSTER)
        *_, raw = await pipe.execute()
    stored = {name.decode(): value.decode() for name, value in raw.items()}
    faults = [f"{name} is {stored.get(name)!r} there, {value!r} here" for name, value in wanted.items()
              if stored.get(name) != value]  # fmt: skip
    if faults:
        raise Refused(
            f"{where} belongs to another deployment: {'; '.join(faults)}. Use an empty Redis, or that deployment"
        )


async def check_never_evicts(redis: Redis, *, where: str) -> None:
    """Raises Refused when the server may throw keys away, RedisError when it does not answer."""
    info = await redis.info("memory")
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        raise Refused(
            f"{where} has maxmemory-policy {policy}: it must be noeviction, or scores would vanish in silence"
        )
