"""Reads every shard and the map in Postgres, and writes what the map should be, in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition, ShardId
from contracts.moves import WEIGHT_DEFAULT, StoredMap, decode_stored_map
from contracts.progress import Progress
from contracts.shard_map import ShardEntry
from foundation.postgres_map import MapStore
from foundation.service import Refused
from foundation.settings import ShardAddress
from shardboard.rebuild.choose import MapReport, rebuild
from shardboard.shard_reads import Shards


async def rebuild_map(store: MapStore, shards: Sequence[ShardAddress], *, is_applied: bool) -> MapReport:
    """The map as the shards tell it; written if `is_applied`, nothing is in the way, and nobody changes it meanwhile.

    Raises ShardUnreachable, Refused when no worker was ever there, PostgresError or one of `postgres_connect.AWAY`.
    """
    stored = await store.read()
    known = await _newest_kept(shards)
    entries = _entries(shards, stored, known=known)
    partitions, held = await _read_shards([ShardAddress(entry.shard, entry.url) for entry in entries])
    report = rebuild(partitions, held, stored=stored, known=known)
    if not is_applied or report.faults or not (report.changes or report.is_behind):
        return report
    await store.replace_map(report.owners, entries, version_min=report.known_version, seen=stored.version)
    return msgspec.structs.replace(report, applied=True)


def _entries(shards: Sequence[ShardAddress], stored: StoredMap, *, known: StoredMap | None) -> list[ShardEntry]:
    """Every shard that anybody knows of, at the address that the settings give first of all."""
    entries = {entry.shard: entry for entry in (*(known.shards if known is not None else ()), *stored.shards)}
    for address in shards:
        before = entries.get(address.shard)
        weight, is_leaving = (before.weight, before.is_leaving) if before is not None else (WEIGHT_DEFAULT, False)
        entries[address.shard] = ShardEntry(address.shard, address.url, weight, is_leaving)
    return list(entries.values())


async def _newest_kept(addresses: Sequence[ShardAddress]) -> StoredMap | None:
    """The newest map that the shards of the settings keep. Raises ShardUnreachable."""

    async def kept(redis: Redis) -> Any:
        return await redis.hget(redis_keys.LAST_MAP, "map")

    async with Shards(tuple(addresses)) as shards:
        found = await asyncio.gather(*(shards.ask(shard, kept) for shard in shards.ids))
    maps = [decode_stored_map(data) for data in found if data is not None]
    return max(maps, key=lambda stored: stored.version, default=None)


async def _read_shards(
    addresses: Sequence[ShardAddress],
) -> tuple[int, dict[Partition, list[tuple[ShardId, Progress]]]]:
    async with Shards(tuple(addresses)) as shards:
        partitions = await shards.partitions()
        if partitions is None:
            raise Refused("no shard's Redis knows this deployment: no worker has ever served there")
        found = await asyncio.gather(*(shards.held_by(shard, partitions) for shard in shards.ids))
        held: dict[Partition, list[tuple[ShardId, Progress]]] = {}
        for shard, progresses in zip(shards.ids, found, strict=True):
            for partition, progress in progresses.items():
                held.setdefault(partition, []).append((shard, progress))
    return partitions, held
