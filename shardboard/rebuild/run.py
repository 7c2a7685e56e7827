"""Reads every shard and the map in Postgres, and writes what the map should be, in one transaction."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from contracts.clock import now_ms
from contracts.ids import Partition, ShardId
from contracts.progress import Progress
from foundation.postgres_connect import Connection
from foundation.service import Refused
from foundation.settings import ShardAddress
from shardboard.rebuild.choose import MapReport, rebuild
from shardboard.shard_reads import Shards

WEIGHT_DEFAULT: Final = 100
_LOCK = "LOCK TABLE partition_map IN EXCLUSIVE MODE"
_READ = "SELECT partition, owner, epoch FROM partition_map"
_PUT_SHARD = "INSERT INTO shards (shard, url, weight, added_ms) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
_PUT_PARTITION = """INSERT INTO partition_map (partition, owner, epoch) VALUES ($1, $2, $3)
ON CONFLICT (partition) DO UPDATE
SET owner = excluded.owner, epoch = excluded.epoch, move_epoch = NULL, target = NULL, forget = '{}'
WHERE partition_map.epoch < excluded.epoch"""
_PUT_HISTORY = """INSERT INTO map_history (version, changed_ms, changed_by, change)
SELECT coalesce(max(version), 0) + 1, $1, 'db rebuild-map', $2::jsonb FROM map_history"""


async def rebuild_map(connection: Connection, shards: Sequence[ShardAddress], *, is_applied: bool) -> MapReport:
    """The map as the shards tell it; written if `is_applied` and nothing is in the way.

    Raises ShardUnreachable, Refused when no worker was ever there, PostgresError or one of `postgres_connect.AWAY`.
    """
    partitions, held = await _read_shards(shards)
    async with connection.transaction():
        await connection.execute(_LOCK)  # nobody else draws an epoch between reading and writing
        stored = {Partition(row[0]): (ShardId(row[1]), int(row[2])) for row in await connection.fetch(_READ)}
        report = rebuild(partitions, held, stored=stored)
        if not is_applied or report.faults or not report.changes:
            return report
        for address in shards:
            await connection.execute(_PUT_SHARD, address.shard, address.url, WEIGHT_DEFAULT, now_ms())
        await connection.executemany(_PUT_PARTITION, [(row.partition, row.owner, row.epoch) for row in report.changes])
        change = msgspec.json.encode({"rebuilt": report.changes}).decode()
        await connection.execute(_PUT_HISTORY, now_ms(), change)
    return msgspec.structs.replace(report, applied=True)


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
