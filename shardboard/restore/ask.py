"""Asks the worker of a shard to restore partitions, and follows what it tells. Only the worker writes their keys.

1. the requests are written: from here on the worker carries them out, whether this command goes on or not.
2. the worker tells how far it is; when it is done it removes the request.
3. not begun in time: the request is taken back, so that it does not come as a surprise later.
"""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.clock import monotonic_s
from contracts.ids import Partition, ShardId
from contracts.progress import State, read_progress
from contracts.restore import RestoreRequest, RestoreSource, RestoreState, RestoreStatus, decode_status, encode_json
from foundation.redis_connect import connect
from foundation.settings import CommonSettings
from partitioning.ring import static_map
from shardboard.cluster_map import read_map
from shardboard.restore.report import RestoredPartition, RestoreReport, outcome_of, progress_line

ASK_AGAIN_S: Final = 0.2
REQUEST_BYTES: Final = 8
"""An id must not repeat among the requests of one shard."""
Told = dict[Partition, tuple[RestoreStatus | None, int | None]]
"""Of each partition what its worker told about our request, and where its owned state stands."""


async def restore(
    common: CommonSettings,
    shard: ShardId,
    *,
    source: RestoreSource | None,
    only: Partition | None,
    timeout_s: float,
    show: Callable[[str], None],
) -> RestoreReport:
    """Restore all partitions of a shard, or one. Raises KeyError for an unknown shard, RedisError, OSError."""
    began_s = monotonic_s()
    redis = connect(common.url_of(shard), connections_max=2)
    try:
        partitions = await _partitions(redis, common, shard=shard) if only is None else [only]
        requests = {partition: secrets.token_hex(REQUEST_BYTES) for partition in partitions}
        await _write(redis, requests, source=source)
        rows: list[RestoredPartition] = []
        while partitions:
            told = await _look(redis, requests)
            rows = [outcome_of(p, status, next_offset=at) for p, (status, at) in told.items()]
            if all(row.outcome != "not_done" for row in rows):
                break
            if monotonic_s() - began_s > timeout_s:
                await _take_back(redis, requests, told=told)
                break
            show(_line(told, seconds=monotonic_s() - began_s))
            await asyncio.sleep(ASK_AGAIN_S)
        return RestoreReport(shard=shard, partitions=tuple(rows), seconds=round(monotonic_s() - began_s, 3))
    finally:
        await redis.aclose()


async def _partitions(redis: Redis, common: CommonSettings, *, shard: ShardId) -> list[Partition]:
    """The shard's partitions by the map; none when no worker has ever been there."""
    partitions: Any = await redis.hget(redis_keys.CLUSTER, "partitions")
    if partitions is None:
        return []
    stored = await read_map(common)
    if stored is not None and stored.map is not None:
        return sorted(stored.map.of_shard(shard))
    shard_map = static_map(int(partitions), [address.shard for address in common.shards])
    return sorted(shard_map.of_shard(shard))


async def _write(redis: Redis, requests: dict[Partition, str], *, source: RestoreSource | None) -> None:
    """Step 1."""
    mapping = {request: encode_json(RestoreRequest(partition, source)) for partition, request in requests.items()}
    if mapping:
        await redis.hset(redis_keys.RESTORE_REQUESTS, mapping=mapping)  # type: ignore[arg-type]


async def _look(redis: Redis, requests: dict[Partition, str]) -> Told:
    """Step 2."""
    async with redis.pipeline(transaction=False) as pipe:
        for partition in requests:
            pipe.hget(redis_keys.RESTORE_STATUS, str(partition))
            pipe.hgetall(redis_keys.progress(partition))
        answers = await pipe.execute()
    told: Told = {}
    for (partition, request), data, fields in zip(requests.items(), answers[::2], answers[1::2], strict=True):
        status = decode_status(data) if data else None
        progress = read_progress({name.decode(): value.decode() for name, value in fields.items()})
        at = progress.next_offset if progress is not None and progress.state is State.OWNED else None
        told[partition] = (status if status is not None and status.request == request else None, at)
    return told


async def _take_back(redis: Redis, requests: dict[Partition, str], *, told: Told) -> None:
    """Step 3."""
    waiting = [requests[partition] for partition, (status, _) in told.items() if status is None]
    if waiting:
        await redis.hdel(redis_keys.RESTORE_REQUESTS, *waiting)


def _line(told: Told, *, seconds: float) -> str:
    statuses: Sequence[RestoreStatus] = [status for status, _ in told.values() if status is not None]
    done = sum(status.state in (RestoreState.CATCHING_UP, RestoreState.REFUSED) for status in statuses)
    rows = progress_line(
        sum(status.rows for status in statuses),
        sum(status.rows_total for status in statuses),
        what="scores",
        seconds=seconds,
    )
    behind = sum(
        max(0, status.end_offset - at) for status, at in told.values() if status is not None and at is not None
    )
    return f"{done} of {len(told)} partitions written, {rows}; {behind:,} records behind"
