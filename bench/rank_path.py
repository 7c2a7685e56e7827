"""The exact place of anybody on a board that is spread over shards, asked as a gateway asks it, beside what cannot tell
it but costs the least: one ZREVRANK for each partition, in one pipeline for each shard, by redis-py."""

import asyncio
import os
import random
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any, Final

from redis.asyncio import Redis

from bench.cpu_time import cpu_s
from bench.ground import Ground
from bench.results import CPU_US, PER_S, Ask, Part, Way, make_part, percentile
from contracts import redis_keys
from contracts.ids import Partition, ShardId, UserId
from contracts.moves import StoredMap
from contracts.partition_key import cached_partitioner
from contracts.periods import ALL_TIME
from contracts.shard_map import ShardEntry
from contracts.topics import PARTITIONS_DEFAULT
from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from foundation.redis_connect import connect
from gateway.redis_ranks import ShardRanks
from gateway.redis_shards import ShardReads
from partitioning.ring import static_map
from shard_worker.redis_shard import library_code

RANK, NATIVE = "exact rank", "ZREVRANK in each partition"
BAR: Final = 0.5
SHARDS: Final = 8
AT_ONCE: Final = {1: "one at a time", 16: "16 at once"}
"""How many ask: one shows what an answer takes, several what a process gets through."""
LOAD_S_MAX: Final = 3.0
SCORES: Final = 1_000_000
CHECKED: Final = 20
"""Ranks that are compared with plain counting before anything is measured."""
ROWS_AT_ONCE: Final = 1_000
LOG_MS: Final = 1_795_500_000_000
MEASURED: Final = (PER_S, CPU_US, "p50_ms", "p99_ms")
AskOne = Callable[[UserId], Awaitable[object]]


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Both ways in turn, for each number of askers."""
    async with AsyncExitStack() as running:
        shards = await _Shards.made(ground, running)
        await shards.check()
        for at_once, words in AT_ONCE.items():
            case = f"ranks of {len(shards.users):,} users, {words}"
            if ground.asked.wants(case):
                yield await _part(ground, shards, at_once=at_once, case=case)


async def _part(ground: Ground, shards: "_Shards", *, at_once: int, case: str) -> Part:
    sizes, load_s = ground.sizes, min(ground.sizes.load_s, LOAD_S_MAX)
    asks: dict[str, AskOne] = {RANK: shards.rank, NATIVE: shards.native}
    ways = {name: Way(name, {measure: [] for measure in MEASURED}) for name in asks}
    for number in range(sizes.rounds + 1):
        rng = random.Random(ground.seed + number)
        for name, ask in asks.items():
            before_s, began_s = cpu_s(shards.pids), perf_counter()
            took_s = await _asked(ask, [shards.users] * at_once, until_s=began_s + load_s, seed=rng.random())
            spent_s, passed_s = cpu_s(shards.pids) - before_s, perf_counter() - began_s
            count = len(took_s)
            p50, p99 = (1_000 * percentile(took_s, share) for share in (0.5, 0.99))
            for measure, value in zip(MEASURED, (count / passed_s, 1e6 * spent_s / count, p50, p99), strict=True):
                if number:
                    ways[name].measures[measure].append(value)
    return make_part(
        "rank", case,
        settings={
            "users": len(shards.users), "shards": SHARDS, "partitions": PARTITIONS_DEFAULT, "seconds": load_s,
            "at_once": at_once,
        },
        ways=list(ways.values()),
        asks=[
            Ask(measure=PER_S, first=RANK, second=NATIVE, at_least=BAR),
            Ask(measure=CPU_US, first=RANK, second=NATIVE),
            Ask(measure="p99_ms", first=RANK, second=NATIVE),
        ],
        notes=(
            f"{SHARDS} servers and the asking process share this machine's processors; CPU time is that of all of them",
        ),
    )  # fmt: skip


async def _asked(ask: AskOne, askers: list[list[UserId]], *, until_s: float, seed: float) -> list[float]:
    """How long each question took, sorted. Each asker has one at a time."""
    took_s: list[float] = []

    async def go_on(users: list[UserId], rng: random.Random) -> None:
        now_s = perf_counter()
        while now_s < until_s:
            began_s = now_s
            await ask(rng.choice(users))
            now_s = perf_counter()
            took_s.append(now_s - began_s)

    async with asyncio.TaskGroup() as tasks:
        for number, users in enumerate(askers):
            tasks.create_task(go_on(users, random.Random(seed + number)))
    return sorted(took_s)


class _Shards:
    """Servers that hold a board between them."""

    def __init__(self, redis: dict[ShardId, Redis], stored: StoredMap, *, pids: list[int], scores: list[int]) -> None:
        assert stored.map is not None
        maps = MapFollower(MapStore("", name="bench"), known=stored)
        self.reads = ShardReads(maps)
        self.pids = pids
        self.users = [UserId(f"user-{number:07d}") for number in range(len(scores))]
        self._scores = scores
        self._ranks = ShardRanks(self.reads)
        self._redis = redis
        self._owner = [owner.shard for owner in stored.map.owners]
        self._keys = {
            shard: [redis_keys.scores(Partition(p), ALL_TIME) for p, its in enumerate(self._owner) if its == shard]
            for shard in redis
        }

    @classmethod
    async def made(cls, ground: Ground, running: AsyncExitStack) -> "_Shards":
        """With every user on the board."""
        servers = {ShardId(f"s{number + 1}"): await ground.valkey() for number in range(SHARDS)}
        redis = {
            shard: await running.enter_async_context(
                connect(server.address, socket_timeout_s=10, connections_max=max(AT_ONCE))
            )
            for shard, server in servers.items()
        }
        made = static_map(PARTITIONS_DEFAULT, list(servers))
        entries = tuple(ShardEntry(shard, server.address, 100) for shard, server in servers.items())
        rng = random.Random(ground.seed)
        scores = [rng.randrange(SCORES) for _ in range(ground.sizes.users)]
        pids = [os.getpid(), *(server.pid for server in servers.values() if server.pid is not None)]
        shards = cls(redis, StoredMap(made.version, made, entries), pids=pids, scores=scores)
        running.push_async_callback(shards.reads.close)
        await shards._fill()
        return shards

    async def rank(self, user: UserId) -> int:
        """As GET /users/{id}/rank asks."""
        ranked = await self._ranks.ranks(ALL_TIME, [user])
        return ranked.places[user].rank

    async def native(self, user: UserId) -> list[list[int | None]]:
        """The place in each partition, of which one has the user."""
        return await asyncio.gather(*(self._native(shard, user) for shard in self._redis))

    async def check(self) -> None:
        """What is measured is right: some ranks, counted by plain sorting, ties and the last included."""
        ordered = sorted(self._scores)
        for user in [*self.users[:: max(1, len(self.users) // CHECKED)], self.users[-1]]:
            score = self._scores[self.users.index(user)]
            wanted, found = 1 + len(ordered) - bisect_right(ordered, score), await self.rank(user)
            assert found == wanted, f"{user}: rank {found}, counted {wanted}"

    async def _native(self, shard: ShardId, user: UserId) -> list[int | None]:
        async with self._redis[shard].pipeline(transaction=False) as pipe:
            for key in self._keys[shard]:
                pipe.zrevrank(key, user)
            found: list[int | None] = await pipe.execute()
            return found

    async def _fill(self) -> None:
        code, partition_of = library_code(), cached_partitioner(PARTITIONS_DEFAULT)
        for redis in self._redis.values():
            await redis.function_load(code, replace=True)
        for number, shard in enumerate(self._owner):
            progress: dict[Any, Any] = {
                "state": "owned",
                "epoch": "1",
                "fenced": "0",
                "next_offset": "1",
                "log_ms": str(LOG_MS),
            }
            await self._redis[shard].hset(redis_keys.progress(Partition(number)), mapping=progress)
        rows: dict[Partition, dict[str, float]] = {}
        for user, score in zip(self.users, self._scores, strict=True):
            partition = partition_of(user)
            its = rows.setdefault(partition, {})
            its[user] = score
            if len(its) == ROWS_AT_ONCE:
                await self._add(partition, rows.pop(partition))
        for partition, its in rows.items():
            await self._add(partition, its)

    async def _add(self, partition: Partition, rows: dict[str, float]) -> None:
        redis = self._redis[self._owner[partition]]
        await redis.zadd(redis_keys.scores(partition, ALL_TIME), rows)
        times: dict[Any, Any] = dict.fromkeys(rows, LOG_MS)
        await redis.hset(redis_keys.scored_at(partition, ALL_TIME), mapping=times)
