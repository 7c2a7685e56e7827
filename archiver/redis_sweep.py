"""Drops closed boards from the shards' Redis. Redis may lose or regain anything: this looks again and again."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from contracts import redis_keys
from contracts.ids import Offset, Partition, PeriodId
from foundation.logs import get_log
from foundation.mapped_shards import MappedShards

DROP_BOARDS: Final = "sb_closed1_drop_boards"
BOARDS_PER_CALL: Final = 16
"""UNLINK only takes keys out; still, no call shall hold a shard up for longer than an apply call."""
SCAN_COUNT: Final = 500
_SCORES: Final = ":scores:"


class Sweep:
    """One for all shards; `run` may be called again and again, never twice at once."""

    def __init__(self, shards: MappedShards) -> None:
        self._shards = shards

    async def run(self, closed: Mapping[PeriodId, Sequence[Offset]], *, deployment: str) -> int:
        """Drop what is closed; return the number of boards, counted per partition.

        Shards that are away, or whose Redis belongs to another deployment, are left alone.
        """
        dropped = 0
        for shard, redis in (await self._shards.current()).items():
            try:
                dropped += await self._sweep(redis, closed, deployment=deployment)
            except (RedisError, OSError) as error:
                get_log().warning("shard_not_swept", shard=shard, error=f"{type(error).__name__}: {error}")
        return dropped

    async def close(self) -> None:
        """May be called twice."""
        await self._shards.close()

    async def _sweep(self, redis: Redis, closed: Mapping[PeriodId, Sequence[Offset]], *, deployment: str) -> int:
        mark: Any = await redis.hget(redis_keys.CLUSTER, "deployment")
        if mark is None or mark.decode() != deployment:
            return 0
        dropped = 0
        for partition, periods in (await self._find(redis, closed)).items():
            for first in range(0, len(periods), BOARDS_PER_CALL):
                some = periods[first : first + BOARDS_PER_CALL]
                arguments = [text for period in some for text in (period, str(closed[period][partition]))]
                dropped += max(0, await _call(redis, redis_keys.partition_prefix(partition), arguments=arguments))
        return dropped

    async def _find(self, redis: Redis, closed: Mapping[PeriodId, Sequence[Offset]]) -> dict[Partition, list[PeriodId]]:
        found: dict[Partition, list[PeriodId]] = {}
        async for raw in redis.scan_iter(match=f"lb:*{_SCORES}*", count=SCAN_COUNT):
            prefix, _, period = raw.decode().partition(_SCORES)
            partition = prefix.removeprefix("lb:{").removesuffix("}")
            if partition.isdecimal() and period in closed and int(partition) < len(closed[PeriodId(period)]):
                found.setdefault(Partition(int(partition)), []).append(PeriodId(period))
        return found


async def _call(redis: Redis, prefix: str, *, arguments: Sequence[str]) -> int:
    """A server that lost the library gets it, and the call, once more: nothing was carried out."""
    try:
        return int(await redis.fcall(DROP_BOARDS, 1, prefix, *arguments))
    except ResponseError as error:
        if "function not found" not in str(error).lower():
            raise
    code = resources.files("archiver").joinpath("lua/closed_boards_1.lua").read_text(encoding="utf-8")
    await redis.function_load(code, replace=True)
    return int(await redis.fcall(DROP_BOARDS, 1, prefix, *arguments))
