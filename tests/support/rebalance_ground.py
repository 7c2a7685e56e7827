"""A cluster at rest for the `rebalance` commands: real Postgres with the map, real Redis servers that hold what owners
hold, and nobody who moves anything, so that a test decides when a move goes on (`carry_out`)."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.ids import Partition, ShardId
from contracts.moves import StoredMap
from contracts.periods import ALL_TIME
from contracts.shard_map import Ownership, ShardEntry
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from partitioning.ring import static_map
from shardboard.embedded.ports import free_ports
from tests.support.command import valid
from tests.support.processes import Ended, command
from tests.support.services import StartValkey

PARTITIONS = 8
USERS = 30
"""Of each partition."""
MARK = {
    "deployment": "cluster-1",
    "topic": "actions",
    "partitions": str(PARTITIONS),
    "periods": "all_time",
    "window_ms": "900000",
}


@dataclass(frozen=True, slots=True)
class RebalanceGround:
    """s1 and s2 take part, s3 has joined and holds nothing, s4 is a Redis that nobody knows yet."""

    environ: dict[str, str]
    store: MapStore
    redis: dict[str, Redis]
    urls: dict[str, str]

    async def run(self, *words: str, schema: str = "") -> Ended:
        """`shardboard rebalance …`; its JSON is judged by the schema, if one is named."""
        ended = await command("rebalance", *words, cwd=None, **self.environ)
        if schema and ended.out:
            valid(ended.out, schema)
        return ended

    async def json(self, *words: str, schema: str) -> Any:
        """The JSON answer of a command that must go well."""
        ended = await self.run(*words, "--output", "json", schema=schema)
        assert ended.code == 0, ended.err + ended.out
        return ended.json

    async def map(self) -> StoredMap:
        return await self.store.read()

    async def owners(self) -> tuple[Ownership, ...]:
        stored = await self.map()
        assert stored.map is not None
        return stored.map.owners

    async def hold(self, shard: str, partition: int, *, epoch: int, users: int = USERS) -> None:
        """Let a shard's Redis hold an owned partition."""
        fields: Any = {"state": "owned", "epoch": str(epoch), "owner": shard, "fenced": "0", "next_offset": "7"}
        redis = self.redis[shard]
        await redis.hset(redis_keys.progress(Partition(partition)), mapping=fields)
        scores = {f"user-{partition}-{number}": number for number in range(users)}
        await redis.zadd(redis_keys.scores(Partition(partition), ALL_TIME), scores)

    async def serve(self, shard: str) -> None:
        """Let it look as if a worker held the lease."""
        await self.redis[shard].set(redis_keys.LEASE, "worker")

    async def carry_out(self, only: Callable[[int], bool] = lambda _: True) -> list[int]:
        """Do what receiving workers do, for the partitions that are wanted."""
        moved = []
        for number, owner in enumerate(await self.owners()):
            if owner.move is not None and only(number):
                partition, source, move = Partition(number), owner.shard, owner.move
                await self.hold(move.target, number, epoch=move.epoch)
                assert await self.store.switch(partition, move_epoch=move.epoch, target=move.target)
                await self.drop(source, number)
                await self.store.forgotten(partition, shard=source, epoch=move.epoch)
                moved.append(number)
        return moved

    async def drop(self, shard: str, partition: int) -> None:
        """Remove a partition's keys."""
        keys = [
            key async for key in self.redis[shard].scan_iter(redis_keys.partition_prefix(Partition(partition)) + "*")
        ]
        if keys:
            await self.redis[shard].delete(*keys)


@asynccontextmanager
async def rebalance_ground(start_valkey: StartValkey, database: str) -> AsyncIterator[RebalanceGround]:
    async with AsyncExitStack() as ending:
        urls = {name: (await start_valkey(name)).address for name in ("s1", "s2", "s3", "s4")}
        redis = {name: await ending.enter_async_context(Redis.from_url(url)) for name, url in urls.items()}
        connection = await connect(database, name="test")
        await upgrade(connection)
        await connection.close()
        store = MapStore(database, name="test")
        ending.push_async_callback(store.close)
        nowhere = free_ports(1)[0]
        environ = {
            "SHARDBOARD_KAFKA": f"127.0.0.1:{nowhere}",
            "SHARDBOARD_CACHE_URL": f"redis://127.0.0.1:{nowhere}/0",
            "SHARDBOARD_SHARDS": f"s1={urls['s1']},s2={urls['s2']}",
            "SHARDBOARD_POSTGRES_URL": database,
        }
        ground = RebalanceGround(environ, store, redis, urls)
        members = [ShardId("s1"), ShardId("s2")]
        first = static_map(PARTITIONS, members)
        await store.seed(first, [ShardEntry(shard, urls[shard], 100) for shard in members])
        await store.join(ShardEntry(ShardId("s3"), urls["s3"], 100))
        for shard in ("s1", "s2", "s3"):
            mark: Any = MARK
            await redis[shard].hset(redis_keys.CLUSTER, mapping=mark)
            await ground.serve(shard)
        for number, owner in enumerate(first.owners):
            await ground.hold(owner.shard, number, epoch=1)
        yield ground
