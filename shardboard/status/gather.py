"""Asks everything that a status needs, all at once: run.json, the services' health, shards, Kafka, the cache.

Positions come from the shards' Redis and ends from Kafka, not from the workers: the lag of a dead one is what matters.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Mapping
from typing import Final, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from msgspec import MsgspecError
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.ids import Offset, Partition
from contracts.periods import ALL_TIME
from contracts.tops import decode_global_top
from foundation.kafka_consumer import log_consumer, read_ends, start_consumer, stop_consumer
from foundation.kafka_topics import describe_topic
from foundation.redis_connect import connect
from foundation.settings import CommonSettings
from shardboard.deployment import Deployment, RunProcess, is_alive
from shardboard.http_health import read_health
from shardboard.shard_reads import Owned, Shards, ShardUnreachable, find_owners
from shardboard.status.report import (
    TOP_ROWS,
    BoardStatus,
    PartitionStatus,
    ProcessStatus,
    RankedUser,
    ShardStatus,
    Status,
    partition_status,
    shard_status,
)

ANSWER_S_MAX: Final = 5.0
"""For each source; all are asked at once, so that a status takes no longer."""
_T = TypeVar("_T")


async def gather_status(deployment: Deployment, common: CommonSettings) -> Status:
    """The status now. Sources that do not answer become problems, never exceptions."""
    problems: list[str] = []
    processes, ends, board = await asyncio.gather(
        _processes(deployment),
        _or_problem(read_end_offsets(common), f"Kafka at {common.kafka}", problems=problems),
        _or_problem(_board(common), f"the cache at {common.cache_url}", problems=problems),
    )
    owners = await _or_problem(_owners(common, ends), "the shards", problems=problems)
    shards = () if owners is None else _shards(common, owners, ends=ends or {})
    if owners is not None and ends is not None and len(owners) < len(ends):
        lost = [str(partition) for partition in ends if partition not in owners]
        problems.append(f"no shard owns partitions {', '.join(lost)}")
    if board is None and not problems:
        problems.append("the cache holds no board yet: no merger has written one")
    return Status(
        state=_state(deployment),
        url=deployment.url,
        processes=processes,
        shards=shards,
        board=board,
        problems=tuple(problems),
    )


def _state(deployment: Deployment) -> str:
    if deployment.run is None:
        return "unknown"
    return deployment.run.state if is_alive(deployment.run.supervisor) else "dead"


async def _processes(deployment: Deployment) -> tuple[ProcessStatus, ...]:
    run = deployment.run
    if run is None:
        return ()
    if not is_alive(run.supervisor):
        return tuple(ProcessStatus(p.name, None, p.address, "dead", p.restarts) for p in run.processes)
    return tuple(await asyncio.gather(*(_process(process) for process in run.processes)))


async def _process(process: RunProcess) -> ProcessStatus:
    state = process.state
    if process.internal is not None and state == "up":
        host, _, port = process.internal.rpartition(":")
        health = await asyncio.to_thread(read_health, host, int(port))
        state = state if health is not None and health.is_ready else "not-ready"
    return ProcessStatus(process.name, process.pid, process.address, state, process.restarts)


async def read_end_offsets(common: CommonSettings) -> dict[Partition, Offset]:
    """Where each partition of the actions ends; none when the topic does not exist. Raises KafkaError, OSError."""
    facts = await describe_topic(common.kafka, common.actions_topic)
    if facts is None:
        return {}
    consumer = log_consumer(common.kafka, fetch_wait_ms=0, request_timeout_ms=int(ANSWER_S_MAX * 1000))
    await start_consumer(consumer)
    try:
        return await read_ends(consumer, [TopicPartition(common.actions_topic, p) for p in range(facts.partitions)])
    finally:
        await stop_consumer(consumer)


async def _owners(common: CommonSettings, ends: Mapping[Partition, Offset] | None) -> dict[Partition, Owned]:
    async with Shards(common.shards) as shards:
        partitions = len(ends) if ends is not None else await shards.partitions()
        return await find_owners(shards, partitions or 0)


def _shards(
    common: CommonSettings, owners: dict[Partition, Owned], *, ends: Mapping[Partition, Offset]
) -> tuple[ShardStatus, ...]:
    by_shard: dict[str, list[PartitionStatus]] = defaultdict(list)
    for partition, owned in sorted(owners.items()):
        by_shard[owned.shard].append(
            partition_status(partition, next_offset=owned.progress.next_offset, end_offset=ends.get(partition))
        )
    return tuple(shard_status(address.shard, by_shard[address.shard]) for address in common.shards)


async def _board(common: CommonSettings) -> BoardStatus | None:
    cache = connect(common.cache_url, connections_max=1)
    try:
        pipe = cache.pipeline(transaction=False)
        pipe.get(redis_keys.top(ALL_TIME))
        pipe.xrevrange(redis_keys.TOP_CHANGED, count=1)
        pipe.time()
        data, changes, (seconds, micros) = await pipe.execute()
    finally:
        await cache.aclose()
    if data is None or not changes:
        return None
    top = decode_global_top(data)
    heard_ms = int(changes[0][0].partition(b"-")[0])
    rows = zip(top.ranks[:TOP_ROWS], top.rows[:TOP_ROWS], strict=True)
    return BoardStatus(
        period=top.period,
        version=top.version,
        age_ms=max(0, seconds * 1000 + micros // 1000 - heard_ms),
        as_of_ms=top.as_of_ms,
        complete=top.complete,
        stale_shards=top.stale_shards,
        top=tuple(RankedUser(rank, row.user_id, row.name, row.score) for rank, row in rows),
    )


async def _or_problem(answer: Awaitable[_T], what: str, *, problems: list[str]) -> _T | None:
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            return await answer
    except TimeoutError:
        problems.append(f"{what} did not answer within {ANSWER_S_MAX:.0f} s")
    except ShardUnreachable as error:
        problems.append(str(error))
    except (KafkaError, RedisError, OSError, MsgspecError) as error:
        problems.append(f"{what}: {error or type(error).__name__}")
    return None
