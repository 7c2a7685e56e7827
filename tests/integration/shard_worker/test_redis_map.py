"""The map as one worker follows it, on a real Postgres and Valkey: made once, kept, refused when it went back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import StoredMap
from contracts.shard_map import Ownership, ShardEntry, ShardMap
from foundation import map_follower
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal
from foundation.settings import ShardAddress
from partitioning.ring import static_map
from shard_worker import redis_map
from shard_worker.redis_first_map import first_map
from shard_worker.redis_map import NoMap, WorkerMap
from shard_worker.redis_shard import ShardRedis
from shard_worker.settings import read_settings
from tests.support.services import StartValkey
from tests.support.wait import wait_until

MARK = ClusterMark("d", "t", 8, "all_time", 900_000)
S1, S2 = ShardId("s1"), ShardId("s2")
NOWHERE = "postgresql://nobody@127.0.0.1:1/x"
OTHER = "redis://127.0.0.1:1/0"


@dataclass(frozen=True, slots=True)
class Ground:
    """A database with the schema, and one shard's Redis."""

    redis: Redis
    redis_url: str
    postgres: str
    store: MapStore
    running: list[asyncio.Task[None]] = field(default_factory=list)

    @asynccontextmanager
    async def worker(self, *, postgres: str | None = None, **more: str) -> AsyncIterator[WorkerMap]:
        """One worker's map, followed."""
        given = {"SHARDS": f"s1={self.redis_url}", "POSTGRES_URL": self.postgres if postgres is None else postgres}
        settings = read_settings({f"SHARDBOARD_{name}": value for name, value in {**given, **more}.items()})
        shard = ShardRedis(self.redis, shard=settings.shard, writer="w")
        worker, stop = WorkerMap(settings, shard, may_keep=lambda: True), StopSignal()
        task = asyncio.create_task(worker.run(stop), name="map")
        self.running.append(task)
        try:
            yield worker
        finally:
            stop.set()
            await asyncio.wait_for(task, timeout=20)

    async def kept(self) -> StoredMap | None:
        """What the Redis keeps."""
        kept = await ShardRedis(self.redis, shard=S1, writer="w").kept_map()
        return None if kept is None else kept[1]


@pytest.fixture
async def ground(
    any_redis: Redis, any_redis_url: str, postgres_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ground]:
    monkeypatch.setattr(redis_map, "RETRY_S", 0.05)
    monkeypatch.setattr(map_follower, "POLL_S", 0.1)
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    await connection.close()
    store = MapStore(postgres_database, name="operator")
    yield Ground(any_redis, any_redis_url, postgres_database, store)
    await store.close()


async def opened(worker: WorkerMap, mark: ClusterMark = MARK) -> StoredMap:
    """As a session does: again and again until there is a map."""
    found: StoredMap | None = None

    async def is_open() -> bool:
        nonlocal found
        try:
            found = await worker.open(mark)
        except NoMap:
            return False
        return True

    await wait_until(is_open)
    assert found is not None
    return found


async def until_kept(ground: Ground, holds: Callable[[StoredMap], bool]) -> None:
    async def is_so() -> bool:
        kept = await ground.kept()
        return kept is not None and holds(kept)

    await wait_until(is_so)


async def test_without_postgres_the_map_is_what_the_settings_say(ground: Ground) -> None:
    async with ground.worker(postgres="", SHARDS=f"s1={ground.redis_url},s2={OTHER}") as worker:
        stored = await worker.open(MARK)
        assert (stored.map, worker.current, worker.fault) == (static_map(8, [S1, S2]), stored, "")
        assert stored.url_of(S2) == OTHER
    assert await ground.kept() is None


async def test_first_worker_makes_the_map_and_keeps_each_newer_one(ground: Ground) -> None:
    async with ground.worker() as worker:
        stored = await opened(worker)
        assert stored.map == replace(static_map(8, [S1]), version=stored.version)
        assert [entry.shard for entry in stored.shards] == [S1]
        await ground.store.replace_map({Partition(0): Ownership(S1, Epoch(2))}, [], version_min=0)
        await until_kept(ground, lambda kept: kept.version == 2)


async def test_map_that_another_worker_makes_meanwhile_is_taken(
    ground: Ground, start_valkey: StartValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All workers of a new deployment start at once: one has looked into Postgres before, and at the shards after,
    another made the map and its shard kept it."""
    other, expected = await start_valkey("other"), static_map(8, [S1, S2])

    async def made_meanwhile(shards: Sequence[ShardAddress], mark: ClusterMark) -> ShardMap:
        await ground.store.seed(expected, [ShardEntry(S1, ground.redis_url, 100), ShardEntry(S2, other.address, 100)])
        async with Redis.from_url(other.address) as redis:
            await redis.hset(redis_keys.LAST_MAP, "version", "1")
        return await first_map(shards, mark)

    monkeypatch.setattr(redis_map, "first_map", made_meanwhile)
    async with ground.worker(SHARDS=f"s1={ground.redis_url},s2={other.address}") as worker:
        assert (await opened(worker)).map == expected


async def test_last_map_serves_a_start_without_postgres(ground: Ground) -> None:
    async with ground.worker() as worker:
        await opened(worker)
        await until_kept(ground, lambda kept: kept.version == 1)
    async with ground.worker(postgres=NOWHERE) as worker:
        assert (await worker.open(MARK)).map is not None
    await ground.redis.delete(redis_keys.LAST_MAP)
    async with ground.worker(postgres=NOWHERE) as worker:
        with pytest.raises(NoMap, match="Postgres has not answered yet, and this shard's Redis keeps no shard map"):
            await worker.open(MARK)


async def test_postgres_that_went_back_is_not_followed_until_the_map_is_rebuilt(ground: Ground) -> None:
    newest = StoredMap(version=9, map=ShardMap(9, (Ownership(S1, Epoch(7)),) * 8), shards=())
    await ShardRedis(ground.redis, shard=S1, writer="w").keep_map(newest)
    async with ground.worker() as worker:
        assert await worker.open(MARK) == newest
        await wait_until(lambda: worker.fault)
        assert "has no shard map, version 9 is known here: run `shardboard db rebuild-map`" in worker.fault
        assert await worker.open(MARK) == newest, "it serves on"
        await ground.store.replace_map(dict.fromkeys(map(Partition, range(8)), Ownership(S1, Epoch(7))), [],
                                       version_min=9)  # fmt: skip
        await until_kept(ground, lambda kept: kept.version >= 10)  # 11 once the worker has announced its shard
        assert worker.fault == ""


async def test_older_map_is_not_kept_over_a_newer_one(ground: Ground) -> None:
    shard = ShardRedis(ground.redis, shard=S1, writer="w")
    for version in (5, 3, 4):
        await shard.keep_map(StoredMap(version=version, map=None, shards=()))
    assert await ground.kept() == StoredMap(version=5, map=None, shards=())


async def test_topic_of_another_size_is_refused(ground: Ground) -> None:
    async with ground.worker() as worker:
        await opened(worker)
        with pytest.raises(Refused, match="topic t has 16 partitions, the shard map 8"):
            await worker.open(replace(MARK, partitions=16))


async def test_shard_that_joins_is_announced_and_makes_no_map(ground: Ground) -> None:
    joining = {"SHARDS": f"s1={OTHER}", "SHARD": "s4", "SHARD_URL": ground.redis_url}
    async with ground.worker(**joining) as worker:
        await wait_until(lambda: worker.current is not None)
        with pytest.raises(NoMap, match="a shard of SHARDBOARD_SHARDS makes it"):
            await worker.open(MARK)
        await ground.store.seed(static_map(8, [S1]), [ShardEntry(S1, OTHER, 100)])
        stored = await opened(worker)
        assert stored.map is not None
        assert stored.map.of_shard(ShardId("s4")) == {}

        async def has_joined() -> bool:
            return (await ground.store.read()).url_of(ShardId("s4")) == ground.redis_url

        await wait_until(has_joined)


@pytest.mark.parametrize("is_lost", [False, True])
async def test_redis_may_have_moved_or_been_replaced_when_nobody_serves_the_shard_elsewhere(
    ground: Ground, is_lost: bool
) -> None:
    async with ground.worker() as worker:
        await opened(worker)
        await until_kept(ground, lambda kept: kept.version == 1)
    await ground.store.readdress(S1, OTHER)
    if is_lost:
        await ground.redis.flushall()
    async with ground.worker() as worker:
        await opened(worker)

        async def is_told() -> bool:
            return (await ground.store.read()).url_of(S1) == ground.redis_url

        await wait_until(is_told)
        await until_kept(ground, lambda kept: kept.url_of(S1) == ground.redis_url)


async def test_second_redis_of_a_shard_is_refused(ground: Ground, start_valkey: StartValkey) -> None:
    """By mistake somebody gives a new shard the name of one that is served."""
    served = await start_valkey("served")
    async with Redis.from_url(served.address) as redis:
        await ShardRedis(redis, shard=S1, writer="w").keep_map(StoredMap(version=1, map=None, shards=()))
        await ground.store.seed(static_map(8, [S1]), [ShardEntry(S1, served.address, 100)])
        with pytest.RaisesGroup(pytest.RaisesExc(Refused, match="another Redis serves shard s1 by the map")):
            async with ground.worker() as worker:
                await opened(worker)
                await wait_until(ground.running[-1].done, what="the worker to refuse")
    assert await ground.kept() is None
    assert (await ground.store.read()).url_of(S1) == served.address


async def test_redis_of_another_shard_is_refused(ground: Ground) -> None:
    await ShardRedis(ground.redis, shard=S2, writer="w").keep_map(StoredMap(version=5, map=None, shards=()))
    async with ground.worker() as worker:
        with pytest.raises(Refused, match="this Redis is that of shard s2, not of s1"):
            await worker.open(MARK)
