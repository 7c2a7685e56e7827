"""`shardboard db rebuild-map` as it is typed, on two real shards and a real Postgres."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import StoredMap, encode_stored_map
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from foundation.postgres_connect import connect
from tests.support.command import valid
from tests.support.processes import Ended, command
from tests.support.services import StartValkey


@dataclass(frozen=True, slots=True)
class Ground:
    """Two shards of three partitions, and a database with the schema."""

    environ: dict[str, str]
    s1: Redis
    s2: Redis

    async def hold(self, redis: Redis, partition: int, **fields: str) -> None:
        progress: Any = {"state": "owned", "epoch": "1", "owner": "s1", "fenced": "0", **fields}
        await redis.hset(redis_keys.progress(Partition(partition)), mapping=progress)

    async def rebuild(self, *words: str) -> Ended:
        ended = await command("db", "rebuild-map", "--output", "json", *words, cwd=None, **self.environ)
        valid(ended.out, "db-rebuild-map")
        return ended

    async def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        connection = await connect(self.environ["SHARDBOARD_POSTGRES_URL"], name="test")
        try:
            return [tuple(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()


@pytest.fixture
async def ground(start_valkey: StartValkey, postgres_database: str) -> AsyncIterator[Ground]:
    first, second = await start_valkey("s1"), await start_valkey("s2")
    environ = {
        "SHARDBOARD_SHARDS": f"s1={first.address},s2={second.address}",
        "SHARDBOARD_POSTGRES_URL": postgres_database,
    }
    assert (await command("db", "upgrade", cwd=None, **environ)).code == ExitCode.OK
    async with Redis.from_url(first.address) as s1, Redis.from_url(second.address) as s2:
        await s1.hset(redis_keys.CLUSTER, "partitions", "3")
        yield Ground(environ, s1, s2)


async def test_map_is_shown_then_written_then_right(ground: Ground) -> None:
    await ground.hold(ground.s1, 0)
    await ground.hold(ground.s1, 1, epoch="3", fenced="1")
    await ground.hold(ground.s2, 1, epoch="3")
    await ground.hold(ground.s2, 2, epoch="7")
    shown = await ground.rebuild()
    assert shown.code == ExitCode.DIFFERENT
    assert await ground.fetch("SELECT * FROM partition_map") == []
    assert (await ground.rebuild("--apply")).code == ExitCode.OK
    rows = await ground.fetch("SELECT partition, owner, epoch, move_epoch, target FROM partition_map ORDER BY 1")
    assert rows == [(0, "s1", 1, None, None), (1, "s2", 3, None, None), (2, "s2", 7, None, None)]
    assert await ground.fetch("SELECT shard, weight FROM shards ORDER BY 1") == [("s1", 100), ("s2", 100)]
    assert await ground.fetch("SELECT version, changed_by FROM map_history") == [(1, "db rebuild-map")]
    assert (await ground.rebuild("--apply")).code == ExitCode.NOTHING_TO_DO


async def test_map_is_newer_than_any_that_a_shard_keeps(ground: Ground) -> None:
    """A shard that joined later stands in the kept map alone, and so does the epoch of a move."""
    await ground.hold(ground.s1, 0)
    await ground.hold(ground.s2, 1, epoch="4")
    await ground.hold(ground.s1, 2, epoch="2")
    s1, s2 = ShardId("s1"), ShardId("s2")
    owners = (Ownership(s1, Epoch(1)), Ownership(s1, Epoch(3), move=Move(Epoch(4), s2)), Ownership(s1, Epoch(2)))
    url = ground.environ["SHARDBOARD_SHARDS"].partition("s2=")[2]
    kept = StoredMap(version=30, map=ShardMap(30, owners), shards=(ShardEntry(s2, url, 50),))
    fields: Any = {"version": "30", "shard": "s1", "map": encode_stored_map(kept)}
    await ground.s1.hset(redis_keys.LAST_MAP, mapping=fields)
    ground.environ["SHARDBOARD_SHARDS"] = ground.environ["SHARDBOARD_SHARDS"].partition(",")[0]
    assert (await ground.rebuild("--apply")).code == ExitCode.OK
    rows = await ground.fetch("SELECT owner, epoch, since FROM partition_map ORDER BY partition")
    assert rows == [("s1", 1, 1), ("s2", 4, 4), ("s1", 2, 2)]
    assert await ground.fetch("SELECT version FROM map_state") == [(31,)]
    assert await ground.fetch("SELECT shard, weight FROM shards ORDER BY 1") == [("s1", 100), ("s2", 50)]


async def test_doubt_writes_nothing(ground: Ground) -> None:
    await ground.hold(ground.s1, 0)
    await ground.hold(ground.s1, 1)
    await ground.hold(ground.s2, 1)
    refused = await ground.rebuild("--apply")
    assert refused.code == ExitCode.REFUSED
    assert [row["finding"] for row in refused.json["partitions"]] == ["new", "conflict", "missing"]
    assert await ground.fetch("SELECT * FROM partition_map") == []
