"""Boards that tests write into real shards by themselves, the moves of their partitions step by step, and what plain
sorting says of ranks and order. The databases of one server stand for the shards' Redis."""

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

import msgspec
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Epoch, LogMs, Partition, PeriodId, ShardId, UserId
from contracts.moves import StoredMap
from contracts.partition_key import cached_partitioner
from contracts.periods import ALL_TIME
from contracts.ranking import TopRow, order_key
from contracts.shard_map import Ownership, ShardEntry, ShardMap
from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from gateway.redis_shards import ShardReads
from partitioning.ring import static_map
from shard_worker.redis_shard import library_code

LOG_MS = 1_795_500_000_000
PIPELINED_MAX = 5_000


@dataclass(slots=True)
class Ground:
    """Some shards, their map, and what stands on their boards."""

    redis: dict[ShardId, Redis]
    maps: MapFollower
    reads: ShardReads
    partitions: int
    boards: dict[PeriodId, dict[UserId, TopRow]] = field(default_factory=dict)

    @property
    def shards(self) -> list[ShardId]:
        """All of them."""
        return list(self.redis)

    @property
    def setting(self) -> str:
        """The shards as SHARDBOARD_SHARDS names them."""
        return ",".join(f"{entry.shard}={entry.url}" for entry in self.stored.shards)

    @property
    def stored(self) -> StoredMap:
        """The newest map."""
        assert self.maps.current is not None
        return self.maps.current

    def owner(self, partition: Partition) -> ShardId:
        """By the newest map."""
        assert self.stored.map is not None
        return self.stored.map.owners[partition].shard

    def of(self, user: UserId) -> Partition:
        """The user's partition."""
        return cached_partitioner(self.partitions)(user)

    async def put(self, scores: dict[str, tuple[int, int]], *, period: PeriodId = ALL_TIME) -> None:
        """Let these users have (score, scored_at), as the worker would write it; scored_at 0 is not written."""
        board = self.boards.setdefault(period, {})
        pipes = {shard: redis.pipeline(transaction=False) for shard, redis in self.redis.items()}
        partitioner = cached_partitioner(self.partitions)
        for name, (score, scored_at) in scores.items():
            user = UserId(name)
            partition = partitioner(user)
            board[user] = TopRow(user, score, LogMs(scored_at), partition)
            pipe = pipes[self.owner(partition)]
            pipe.zadd(redis_keys.scores(partition, period), {user: score})
            if scored_at:
                pipe.hset(redis_keys.scored_at(partition, period), user, str(scored_at))
            if len(pipe) > PIPELINED_MAX:
                await pipe.execute()
        for pipe in pipes.values():
            await pipe.execute()

    async def hide(self, name: str, *, period: PeriodId = ALL_TIME) -> TopRow:
        """Park a user's score."""
        row = self.boards[period].pop(UserId(name))
        redis = self.redis[self.owner(row.partition)]
        await redis.zrem(redis_keys.scores(row.partition, period), row.user_id)
        await redis.hdel(redis_keys.scored_at(row.partition, period), row.user_id)
        parked = msgspec.msgpack.encode({period: [row.score, row.scored_at]})
        await redis.hset(redis_keys.hidden(row.partition), row.user_id, parked)
        return row

    def ordered(self, period: PeriodId = ALL_TIME) -> list[TopRow]:
        """The whole board, by plain sorting."""
        return sorted(self.boards[period].values(), key=order_key)

    # --- moves, by the steps of the protocol ---

    async def fence(self, partition: Partition) -> None:
        """1: the source rests."""
        await self.redis[self.owner(partition)].hset(redis_keys.progress(partition), "fenced", "1")

    async def copy(self, partition: Partition, target: ShardId) -> None:
        """3: everything of the partition is there too, under the state of a copy."""
        source, there = self.redis[self.owner(partition)], self.redis[target]
        async for key in source.scan_iter(match=redis_keys.partition_prefix(partition) + "*", count=1_000):
            await there.restore(key, 0, await source.dump(key) or b"", replace=True)
        await there.hset(redis_keys.progress(partition), mapping={"state": "copying", "fenced": "0"})

    async def own(self, partition: Partition, target: ShardId) -> None:
        """5: the target's state is whole."""
        epoch = self.next_epoch(partition)
        await self.redis[target].hset(
            redis_keys.progress(partition), mapping={"state": "owned", "epoch": str(epoch), "fenced": "0"}
        )

    def switch(self, partition: Partition, target: ShardId) -> StoredMap:
        """6: the map with the new owner. It is not taken: whoever follows the map learns of it later."""
        assert self.stored.map is not None
        epoch, version = self.next_epoch(partition), self.stored.version + 1
        owners = list(self.stored.map.owners)
        owners[partition] = Ownership(target, epoch, since=epoch)
        return replace(self.stored, version=version, map=ShardMap(version, tuple(owners)))

    async def forget(self, partition: Partition, source: ShardId) -> None:
        """7: the source's leftovers go."""
        redis = self.redis[source]
        keys = [key async for key in redis.scan_iter(match=redis_keys.partition_prefix(partition) + "*", count=1_000)]
        await redis.delete(*keys)

    def next_epoch(self, partition: Partition) -> Epoch:
        """The epoch that a move now draws."""
        assert self.stored.map is not None
        return Epoch(self.stored.map.owners[partition].newest_epoch + 1)


@asynccontextmanager
async def ranked_boards(url: str, *, shards: int, partitions: int, first: int = 0) -> AsyncIterator[Ground]:
    """An emptied server with the functions, every partition owned as the settings alone say. `url` ends in the number
    of a database; `first` is the number of the first shard's."""
    async with AsyncExitStack() as ending:
        base = url.rpartition("/")[0] if url.count("/") > 2 else url
        urls = {ShardId(f"s{n + 1}"): f"{base}/{first + n}" for n in range(shards)}
        redis = {shard: await ending.enter_async_context(Redis.from_url(at)) for shard, at in urls.items()}
        server = next(iter(redis.values()))
        await server.flushall()
        await server.function_load(library_code(), replace=True)
        made = static_map(partitions, list(urls))
        maps = MapFollower(MapStore("postgresql://nowhere", name="test"))
        maps.take(StoredMap(made.version, made, tuple(ShardEntry(s, at, 100) for s, at in urls.items())))
        for p, owner in enumerate(made.owners):
            key, at, log_ms = redis_keys.progress(Partition(p)), str(10 + p), str(LOG_MS + p)
            await redis[owner.shard].hset(
                key, mapping={"state": "owned", "epoch": "1", "fenced": "0", "next_offset": at, "log_ms": log_ms}
            )
        reads = ShardReads(maps)
        ending.push_async_callback(reads.close)
        yield Ground(redis, maps, reads, partitions)


def random_scores(rng: random.Random, count: int, *, scores: Sequence[int], times: int) -> dict[str, tuple[int, int]]:
    """Users of whom many share a score, and some the time as well."""
    return {f"user-{n}": (rng.choice(scores), rng.randrange(times)) for n in range(count)}
