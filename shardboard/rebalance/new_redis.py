"""Whether a Redis may become a new shard's: it answers, never evicts, and is empty or this deployment's. Only reads."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from foundation.redis_cluster_mark import check_never_evicts
from foundation.redis_connect import connect
from foundation.service import Refused
from shardboard.command_error import CommandError

_SCHEMES: Final = ("redis://", "rediss://", "unix://")


async def check_new_redis(url: str, mark: Mapping[str, str], *, others: Mapping[str, str]) -> None:
    """Return if it may. `mark`: this deployment's; `others`: everybody else's Redis, by name. Raises CommandError."""
    where = f"the Redis at {without_password(url)}"
    if not url.startswith(_SCHEMES):
        raise CommandError(ExitCode.USAGE, f"{without_password(url)} is no address such as redis://host:6379/0")
    try:
        redis = connect(url, connections_max=1)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"{without_password(url)} is no address of a Redis: {error}") from error
    try:
        await check_never_evicts(redis, where=where)
        await _check_whose(redis, mark, where=where)
        await _check_is_another(redis, others, where=where)
    except Refused as error:
        raise CommandError(ExitCode.REFUSED, str(error)) from error
    except (RedisError, OSError) as error:
        raise CommandError(ExitCode.FAILED, f"{where} does not answer: {error or type(error).__name__}") from error
    finally:
        await redis.aclose()


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:***@{host}"))


async def _check_whose(redis: Redis, mark: Mapping[str, str], *, where: str) -> None:
    raw: Any = await redis.hgetall(redis_keys.CLUSTER)
    stored = {name.decode(): value.decode() for name, value in raw.items()}
    if not stored:
        keys = await redis.dbsize()
        if keys:
            raise Refused(f"{where} holds {keys:,} keys that are not Shardboard's: use an empty one")
        return
    faults = [f"{name} is {stored.get(name)!r} there, {value!r} here" for name, value in mark.items()
              if stored.get(name) != value]  # fmt: skip
    if faults:
        raise Refused(f"{where} belongs to another deployment: {'; '.join(faults)}. Use an empty one")
    if await redis.exists(redis_keys.SHARD_TOPS):
        raise Refused(f"{where} is this deployment's cache: a shard has a Redis of its own")


async def _check_is_another(redis: Redis, others: Mapping[str, str], *, where: str) -> None:
    """Two addresses may lead to the same server and database."""
    identity = await _identity(redis)
    for name, url in others.items():
        other = connect(url, connections_max=1)
        try:
            is_same = await _identity(other) == identity
        except (RedisError, OSError):
            continue  # it is away, so it is not the one that answered
        finally:
            await other.aclose()
        if is_same:
            raise Refused(f"{where} is that of {name} already: each shard has one of its own")


async def _identity(redis: Redis) -> tuple[str, int]:
    info = await redis.info("server")
    return str(info["run_id"]), int(redis.connection_pool.connection_kwargs.get("db") or 0)
