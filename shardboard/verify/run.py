"""Runs `shardboard verify`: finds partitions, owners and published boards, then verifies each partition."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from audit.kafka_replay import LogReplay
from audit.redis_rows import Moved
from contracts import redis_keys
from contracts.clock import monotonic_s, now_ms
from contracts.exit_codes import ExitCode
from contracts.ids import Partition, PeriodId
from contracts.log import LogBounds
from contracts.tops import GlobalTop, decode_global_top
from foundation.kafka_topics import check_topic
from foundation.redis_connect import connect
from foundation.settings import CommonSettings
from shardboard.command_error import CommandError
from shardboard.shard_reads import Owned, Shards, find_owners
from shardboard.verify.partition import Sources, verify_partition
from shardboard.verify.postgres_store import Archive
from shardboard.verify.report import PartitionReport, VerifyReport, make_report

TRIES_MAX: Final = 3
"""A partition that moves, or whose Redis restarts, is read anew; three times in a row is no accident."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Told how the work goes on."""

    start: Callable[[int], None]
    """How many records the log holds."""
    counted: Callable[[int], None]
    """How many more were counted; a partition that is read again is counted again."""


async def verify(common: CommonSettings, watch: Watch, *, only: int | None, is_deep: bool) -> VerifyReport:
    """Compare everything, or one partition.

    Raises KafkaError, RedisError, ShardUnreachable, CommandError, Refused.
    """
    began_s = monotonic_s()
    topic = await check_topic(common, common.actions_topic)
    partitions = [Partition(number) for number in range(topic.partitions) if only in (None, number)]
    if not partitions:
        raise CommandError(ExitCode.USAGE, f"--partition {only}: the partitions are 0 to {topic.partitions - 1}")
    async with AsyncExitStack() as ending:
        shards = await ending.enter_async_context(Shards(common.shards))
        log = LogReplay(common.kafka, topic=common.actions_topic)
        ending.push_async_callback(log.close)
        redis = {address.shard: connect(address.url, connections_max=2) for address in common.shards}
        for client in redis.values():
            ending.push_async_callback(client.aclose)
        archive = Archive(common)
        ending.push_async_callback(archive.close)
        await log.start()
        bounds = await log.bounds(partitions)
        watch.start(sum(bound.end - bound.begin for bound in bounds.values()))
        records = 0

        def counted(more: int) -> None:
            nonlocal records
            records += more
            watch.counted(more)

        sources = Sources(
            common=common,
            log=log,
            archive=archive,
            boards=await _published(common),
            redis=redis,
            is_deep=is_deep,
            now_ms=now_ms(),
            counted=counted,
        )
        owners = await find_owners(shards, topic.partitions)
        reports = [
            await _verify(sources, shards, partition=partition, bounds=bounds, owners=owners)
            for partition in partitions
        ]
    return make_report(reports, deep=is_deep, seconds=monotonic_s() - began_s, records=records)


async def _verify(
    sources: Sources,
    shards: Shards,
    *,
    partition: Partition,
    bounds: Mapping[Partition, LogBounds],
    owners: dict[Partition, Owned],
) -> PartitionReport:
    """One partition, read again where it is when it moved meanwhile."""
    reasons: list[str] = []
    for _ in range(TRIES_MAX):
        owned = owners.get(partition)
        try:
            if owned is None:
                raise Moved("no shard owns it")
            return await verify_partition(sources, partition, shard=owned.shard, bounds=bounds[partition])
        except Moved as moved:
            reasons.append(str(moved))
            owners.clear()
            owners.update(await find_owners(shards, len(bounds) if len(bounds) > 1 else partition + 1))
    reason = "; ".join(dict.fromkeys(reasons))
    return PartitionReport(partition=partition, shard=None, verdict="unknown", reason=reason)


async def _published(common: CommonSettings) -> list[GlobalTop]:
    """Every board in the cache."""
    cache: Redis = connect(common.cache_url, connections_max=1)
    try:
        pattern = redis_keys.top(PeriodId("*"))
        keys = sorted([key async for key in cache.scan_iter(match=pattern, count=1_000)])
        found = await cache.mget(keys) if keys else []
        return [decode_global_top(data) for data in found if isinstance(data, bytes)]
    finally:
        await cache.aclose()
