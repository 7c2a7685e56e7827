"""A board of very many synthetic users over eight shards: real workers, a real map and log, `rebalance` as operators
type it. Users stand in the shards as workers write them; some of them, the movers, act through the log meanwhile."""

import asyncio
import random
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.ids import LogMs, Offset, Partition, ShardId, UserId
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.progress import State, read_progress
from contracts.ranking import competition_ranks
from contracts.record import encode
from foundation.kafka_topics import create_topics
from foundation.map_follower import MapFollower
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.service import StopSignal
from foundation.settings import load_common
from gateway.board_walk import Mark
from gateway.redis_ranks import ShardRanks
from gateway.redis_shards import ShardReads
from shardboard.embedded.ports import free_ports
from tests.support.command import valid
from tests.support.live_shards import action
from tests.support.processes import command
from tests.support.services import StartValkey
from tests.support.wait import wait_until
from tests.support.worker_process import start_worker

SHARDS = tuple(ShardId(f"s{n}") for n in range(1, 9))
PARTITIONS = 24
MOVERS = 300
SCORE_BITS, TIME_BITS, NUMBER_BITS = 21, 20, 22
"""Of a place packed into one whole number that sorts as boards do."""
SCORE_MAX = (1 << SCORE_BITS) - 1
WRITTEN_AT_ONCE = 500
EQUALS_MAX, EQUALS_SCORE = 30_000, 70
"""More of each partition than one call looks through, so that they are read by chunks; for each page anew."""
WAIT_S = 120

Row = tuple[int, UserId, int]
"""Rank, user and score, as pages show them."""


def user_of(number: int) -> UserId:
    """Ids of one length: they sort as their numbers do."""
    return UserId(f"user-{number:07}")


def packed(score: int, scored_at: int, *, number: int) -> int:
    """A place that sorts as boards do: score descending, who was first, id."""
    return ((SCORE_MAX - score) << TIME_BITS | scored_at) << NUMBER_BITS | number


def unpacked(place: int) -> tuple[int, int, int]:
    """Score, scored_at, number."""
    score = SCORE_MAX - (place >> (TIME_BITS + NUMBER_BITS))
    return score, place >> NUMBER_BITS & (1 << TIME_BITS) - 1, place & (1 << NUMBER_BITS) - 1


def synthetic(count: int, *, seed: int) -> "array[int]":
    """The places of so many users: half on one of 300 scores, up to a seventh on one and the same, the rest spread."""
    rng, equals = random.Random(seed), min(0.15, EQUALS_MAX / count)
    places = array("Q", bytes(8 * count))
    for number in range(count):
        draw = rng.random()
        if draw < equals:
            score = EQUALS_SCORE
        elif draw < 0.5 + equals:
            score = 10 * rng.randrange(300)
        else:
            score = rng.randrange(1_000_000)
        places[number] = packed(score, rng.randrange(1_000), number=number)
    return places


@dataclass(frozen=True, slots=True)
class Standing:
    """A mover from an offset on."""

    offset: Offset
    score: int
    scored_at: LogMs


@dataclass(slots=True)
class Truth:
    """The board by plain sorting: who stays, sorted, and each mover's scores by offset of the log."""

    stayers: Sequence[int]
    movers: dict[UserId, list[Standing]]
    partitions: dict[UserId, Partition]

    def score(self, number: int) -> int:
        """Of the stayer at this place of theirs."""
        return unpacked(self.stayers[number])[0]

    def mark(self, number: int) -> Mark:
        """The place of a stayer."""
        score, scored_at, user = unpacked(self.stayers[number])
        return Mark(score, scored_at, user_of(user))

    def better_stayers(self, score: int) -> int:
        """How many of them have more."""
        return bisect_left(self.stayers, packed(score, 0, number=0))

    def standing(self, user: UserId, positions: dict[Partition, Offset]) -> Standing:
        """A mover's, once the log was applied up to these offsets."""
        standings = self.movers[user]
        last = bisect_left(standings, positions[self.partitions[user]], key=lambda each: each.offset)
        return standings[last - 1]

    def place(self, score: int, positions: dict[Partition, Offset], *, apart: UserId | None) -> tuple[int, int | None]:
        """The rank of this score and the next higher one, at these offsets, by looking at everybody. `apart` has it."""
        better = self.better_stayers(score)
        others = [self.standing(user, positions).score for user in self.movers if user != apart]
        higher = [each for each in others if each > score]
        next_stayer = [self.score(better - 1)] if better else []
        return 1 + better + len(higher), min([*higher, *next_stayer], default=None)

    def rows(self) -> list[Row]:
        """Everybody, now that nothing is under way."""
        moved = [(each[-1].score, each[-1].scored_at, user) for user, each in self.movers.items()]
        found = [(score, at, user_of(user)) for score, at, user in map(unpacked, self.stayers)] + moved
        found.sort(key=lambda row: (-row[0], row[1], row[2]))
        ranks = competition_ranks([score for score, _, _ in found])
        return [(rank, user, score) for rank, (score, _, user) in zip(ranks, found, strict=True)]


@dataclass(slots=True)
class LargeBoard:
    """What runs. `act` writes to the log; `rebalance` carries out a plan; `ranks` reads as a gateway does."""

    settings: dict[str, str]
    redis: dict[ShardId, Redis]
    producer: AIOKafkaProducer
    store: MapStore
    maps: MapFollower
    ranks: ShardRanks
    truth: Truth
    folder: Path
    rng: random.Random
    moved: int = 0
    ends: dict[Partition, Offset] = field(default_factory=lambda: defaultdict(lambda: Offset(0)))
    log_ms: dict[Partition, LogMs] = field(default_factory=lambda: defaultdict(lambda: LogMs(0)))

    async def act(self, count: int) -> None:
        """So many movers act, and the log has acknowledged all of it."""
        users = self.rng.sample(list(self.truth.movers), count)
        points = [self.rng.choice([1, 5, 10, 100]) for _ in users]
        topic = self.settings["ACTIONS_TOPIC"]
        sent = [
            await self.producer.send(
                topic, encode(action(user, gained)), key=user.encode(), partition=self.truth.partitions[user]
            )
            for user, gained in zip(users, points, strict=True)
        ]  # fmt: skip
        for user, gained, stored in zip(users, points, await asyncio.gather(*sent), strict=True):
            partition = self.truth.partitions[user]
            log_ms = self.log_ms[partition] = max(self.log_ms[partition], LogMs(stored.timestamp))
            self.ends[partition] = Offset(stored.offset + 1)
            standings = self.truth.movers[user]
            standings.append(Standing(Offset(stored.offset), standings[-1].score + gained, log_ms))

    async def until_applied(self) -> None:
        """Wait until every shard has applied all that was sent."""

        async def is_applied() -> bool:
            owners = self.owners()
            for partition, end in self.ends.items():
                progress = await self._progress(owners[partition], partition)
                if progress is None or progress.next_offset != end:
                    return False
            return True

        await wait_until(is_applied, timeout_s=WAIT_S, what="the log to be applied")

    async def rebalance(self, *change: str) -> None:
        """`rebalance plan …` and `rebalance apply`, until its moves are over."""
        plan = self.folder / f"{self.moved}.plan"
        environ = {f"SHARDBOARD_{name}": value for name, value in self.settings.items()}
        planned = await command("rebalance", "plan", *change, "--out", str(plan), cwd=None, **environ)
        assert planned.code == 0, planned.err + planned.out
        words = ("rebalance", "apply", str(plan), "--timeout", f"{WAIT_S}s", "--output", "json")
        applied = await command(*words, cwd=None, **environ)
        assert applied.code == 0, applied.err + applied.out
        told: Any = valid(applied.out, "rebalance-progress")
        assert (told["state"], told["aborted"]) == ("done", 0)
        self.moved += told["done"]

    def owners(self) -> list[ShardId]:
        """By the map as the gateway follows it."""
        assert self.maps.current is not None
        assert self.maps.current.map is not None
        return [owner.shard for owner in self.maps.current.map.owners]

    async def are_owned(self) -> bool:
        """Whether every partition has an owner that says so."""
        if self.maps.current is None or self.maps.current.map is None:
            return False
        owners = self.owners()
        found = [await self._progress(owners[p], Partition(p)) for p in range(PARTITIONS)]
        return all(progress is not None and progress.state is State.OWNED for progress in found)

    async def write(self, places: Iterable[int]) -> None:
        """Let these users have their scores, as the worker would write them."""
        owners = self.owners()
        rows: dict[Partition, list[int]] = defaultdict(list)
        for place in places:
            rows[partition_of(user_of(unpacked(place)[2]), PARTITIONS)].append(place)
        await asyncio.gather(*(self._write(self.redis[owners[p]], p, places=its) for p, its in rows.items()))

    async def _write(self, redis: Redis, partition: Partition, *, places: list[int]) -> None:
        for first in range(0, len(places), WRITTEN_AT_ONCE):
            found = [unpacked(place) for place in places[first : first + WRITTEN_AT_ONCE]]
            async with redis.pipeline(transaction=False) as pipe:
                scores: Any = {user_of(user): score for score, _, user in found}
                pipe.zadd(redis_keys.scores(partition, ALL_TIME), scores)
                times: Any = {user_of(user): at for _, at, user in found if at}
                pipe.hset(redis_keys.scored_at(partition, ALL_TIME), mapping=times)
                await pipe.execute()

    async def _progress(self, shard: ShardId, partition: Partition) -> Any:
        raw: Any = await self.redis[shard].hgetall(redis_keys.progress(partition))
        return read_progress({name.decode(): value.decode() for name, value in raw.items()})


def truth_of(places: "array[int]") -> Truth:
    """Every so many-th user moves, from where he stands."""
    step = len(places) // MOVERS
    moving = {user_of(n): [Standing(Offset(-1), *_score_and_time(places[n]))] for n in range(0, len(places), step)}
    stayers = array("Q", sorted(place for n, place in enumerate(places) if n % step))
    return Truth(stayers, moving, {user: partition_of(user, PARTITIONS) for user in moving})


def _score_and_time(place: int) -> tuple[int, LogMs]:
    score, scored_at, _ = unpacked(place)
    return score, LogMs(scored_at)


@asynccontextmanager
async def large_board(
    start_valkey: StartValkey, *, kafka: str, database: str, topic: str, folder: Path, users: int, seed: int
) -> AsyncIterator[LargeBoard]:
    """Everything runs, the users are written, and the map is followed."""
    async with AsyncExitStack() as ending:
        connection = await connect(database, name="test")
        await upgrade(connection)
        await connection.close()
        addresses = {name: (await start_valkey(name)).address for name in (*SHARDS, "cache")}
        settings = {
            "KAFKA": kafka,
            "ACTIONS_TOPIC": topic,
            "DEAD_TOPIC": f"{topic}.dead",
            "SHARDS": ",".join(f"{shard}={addresses[shard]}" for shard in SHARDS),
            "CACHE_URL": addresses["cache"],
            "POSTGRES_URL": database,
            "PERIODS": ALL_TIME,
        }
        common = load_common({f"SHARDBOARD_{name}": value for name, value in settings.items()})
        await create_topics(common, partitions=PARTITIONS, replication=1)
        redis = {shard: await ending.enter_async_context(Redis.from_url(addresses[shard])) for shard in SHARDS}
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka, acks="all"))
        store = MapStore(database, name="test")
        ending.push_async_callback(store.close)
        for shard in SHARDS:
            port = free_ports(1)[0]
            worker = await start_worker(folder, shard, port=port, settings={**settings, "SHARD": shard})
            ending.push_async_callback(worker.kill)
        maps = MapFollower(store)
        reads = ShardReads(maps)
        ending.push_async_callback(reads.close)
        places = synthetic(users, seed=seed)
        board = LargeBoard(
            settings, redis, producer, store, maps, ShardRanks(reads), truth_of(places), folder, random.Random(seed)
        )
        following = asyncio.create_task(maps.run(StopSignal()), name="map follower")
        ending.callback(following.cancel)
        await wait_until(partial(board.are_owned), timeout_s=WAIT_S, what="every partition to have an owner")
        await board.write(places)
        yield board
