"""Whole workers follow a map that is changed while actions pour in: nothing is lost or doubled, and whoever is not
concerned notices nothing. The map is changed by hand, so that no mover takes part."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import ActionId, Partition, ShardId, UserId
from contracts.moves import MoveOrder, PlanOrder
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.progress import Progress, State, read_progress
from contracts.record import ActionRecord, encode
from contracts.shard_map import ShardEntry
from contracts.tops import ShardTop, decode_shard_top
from foundation.kafka_topics import create_topics
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.settings import load_common
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from tests.support.frozen import frozen
from tests.support.services import StartPostgres, StartValkey
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess, start_worker

PARTITIONS = 6
S1, S2, S3 = ShardId("s1"), ShardId("s2"), ShardId("s3")
SERVERS = (S1, S2, S3, "cache")


@dataclass(slots=True)
class Ground:
    """Two shards that serve, the Redis of a third, and a Postgres that may be frozen and killed."""

    settings: dict[str, str]
    addresses: dict[str, str]
    redis: dict[str, Redis]
    producer: AIOKafkaProducer
    postgres: PostgresServer
    store: MapStore
    folder: Path
    ending: AsyncExitStack
    sent: Counter[int] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)

    async def worker(self, shard: str, **more: str) -> WorkerProcess:
        """Start a worker."""
        settings = {**self.settings, "SHARD": shard, **more}
        worker = await start_worker(self.folder, f"worker-{shard}", port=free_ports(1)[0], settings=settings)
        self.ending.push_async_callback(worker.kill)
        return worker

    async def act(self, count: int, *, seed: int) -> None:
        """Actions of many users."""
        rng = random.Random(seed)
        for _ in range(count):
            user, points, at = UserId(f"user-{rng.randrange(60)}"), rng.choice([1, 5, 10]), now_ms()
            record = ActionRecord(v=1, id=ActionId(f"{rng.getrandbits(128):032x}"), user_id=user, received_at=at,
                                  action="commit", points=points, at=at)  # fmt: skip
            partition = partition_of(user, PARTITIONS)
            topic, key = self.settings["ACTIONS_TOPIC"], user.encode()
            await self.producer.send(topic, encode(record), key=key, partition=partition)
            self.sent[partition] += 1
            self.expected[user] += points
        await self.producer.flush()

    async def owners(self) -> dict[Partition, ShardId]:
        """By the map."""
        stored = await self.store.read()
        assert stored.map is not None
        return {Partition(number): owner.shard for number, owner in enumerate(stored.map.owners)}

    async def progress(self, shard: str, partition: int) -> Progress | None:
        """What a shard's Redis holds of a partition."""
        raw: Any = await self.redis[shard].hgetall(redis_keys.progress(Partition(partition)))
        return read_progress({name.decode(): value.decode() for name, value in raw.items()})

    async def difference(self, owners: dict[Partition, ShardId]) -> str | None:
        """How the owners' Redis differ from a plain count of what was sent."""
        found: Counter[str] = Counter()
        for partition, shard in owners.items():
            progress = await self.progress(shard, partition)
            if progress is None or progress.state is not State.OWNED or progress.next_offset != self.sent[partition]:
                return f"partition {partition} at {shard}: {progress}, {self.sent[partition]} sent"
            for user, score in await self.redis[shard].zrange(  # type: ignore[str-unpack]
                redis_keys.scores(partition, ALL_TIME), 0, -1, withscores=True
            ):
                found[user.decode()] += int(score)  # type: ignore[union-attr]
        return None if found == self.expected else f"{found} != {self.expected}"

    async def until_exact(self, owners: dict[Partition, ShardId] | None = None) -> None:
        """Wait until every owner holds exactly what was sent."""
        wanted = owners if owners is not None else await self.owners()
        seen: list[str | None] = [""]

        async def is_exact() -> bool:
            seen[0] = await self.difference(wanted)
            return seen[0] is None

        try:
            await wait_until(is_exact, timeout_s=60, what="the owners to hold what was sent")
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen[0]}") from error

    async def top(self, shard: str) -> ShardTop | None:
        """What a shard publishes."""
        data: Any = await self.redis["cache"].hget(redis_keys.SHARD_TOPS, shard)
        return decode_shard_top(data) if data else None

    async def until_published(self, shard: str, partitions: set[Partition]) -> ShardTop:
        """Wait until a shard publishes exactly these partitions."""

        async def is_so() -> bool:
            top = await self.top(shard)
            return top is not None and {position.partition for position in top.positions} == partitions

        await wait_until(is_so, timeout_s=40, what=f"{shard} to publish {partitions}")
        top = await self.top(shard)
        assert top is not None
        return top

    async def give(self, partition: Partition, shard: ShardId, *, epoch: int) -> None:
        """Make the shard the owner by hand: what it needs it restores."""
        await self.by_hand("UPDATE partition_map SET owner = $2, epoch = $3, since = $3 WHERE partition = $1",
                           partition, shard, epoch)  # fmt: skip

    async def by_hand(self, sql: str, *arguments: int | str) -> None:
        """Change the map without any notice."""
        connection = await connect(self.postgres.address, name="by hand")
        try:
            async with connection.transaction():
                await connection.execute("UPDATE map_state SET version = version + 1")
                await connection.execute(sql, *arguments)
        finally:
            connection.terminate()

    async def intend(self, partition: Partition, source: ShardId, *, target: ShardId) -> None:
        """Intend a move, which nobody carries out."""
        version, moves = await self.store.version(), (MoveOrder(partition, source, target),)
        await self.store.apply_plan(PlanOrder(map_version=version, checksum="", content=b"{}", moves=moves))


@pytest.fixture
async def ground(
    kafka_address: str, start_valkey: StartValkey, start_postgres: StartPostgres, unique_name: str, tmp_path: Path
) -> AsyncIterator[Ground]:
    addresses = {server: (await start_valkey(server)).address for server in SERVERS}
    postgres = await start_postgres("postgres")
    connection = await connect(postgres.address, name="test")
    await upgrade(connection)
    await connection.close()
    settings = {
        "KAFKA": kafka_address,
        "ACTIONS_TOPIC": unique_name,
        "DEAD_TOPIC": f"{unique_name}.dead",
        "SHARDS": f"s1={addresses[S1]},s2={addresses[S2]}",
        "CACHE_URL": addresses["cache"],
        "POSTGRES_URL": postgres.address,
        "LEASE_MS": "1000",
    }
    common = load_common({f"SHARDBOARD_{name}": value for name, value in settings.items()})
    await create_topics(common, partitions=PARTITIONS, replication=1)
    store = MapStore(postgres.address, name="operator")
    async with AsyncExitStack() as ending:
        redis = {
            server: await ending.enter_async_context(Redis.from_url(address)) for server, address in addresses.items()
        }
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka_address, linger_ms=2))
        ending.push_async_callback(store.close)
        yield Ground(settings, addresses, redis, producer, postgres, store, tmp_path, ending)


def undisturbed(worker: WorkerProcess) -> bool:
    """Whether the worker is in its first session."""
    return worker.log.count("session_over") == worker.log.count("session_broken") == 0


async def serving(ground: Ground) -> tuple[WorkerProcess, WorkerProcess]:
    """Two workers that have made the map and applied some actions."""
    first, second = await ground.worker(S1), await ground.worker(S2)

    async def has_map() -> bool:
        return (await ground.store.read()).map is not None

    await wait_until(has_map, timeout_s=60, what="the first map")
    await ground.act(60, seed=1)
    await ground.until_exact()
    return first, second


async def test_partition_goes_to_another_shard_while_actions_pour_in(ground: Ground) -> None:
    """And back, without a notice, and at a new epoch of the same owner."""
    first, second = await serving(ground)
    before = await ground.owners()
    mine = {partition for partition, shard in before.items() if shard == S1}
    moved = min(mine)
    pouring = asyncio.create_task(ground.act(400, seed=2), name="actions")
    await ground.give(moved, S2, epoch=2)
    await pouring
    await ground.until_exact({**before, moved: S2})
    top = await ground.until_published(S1, mine - {moved})
    assert top.map_version == await ground.store.version()
    assert moved in {p.partition for p in (await ground.until_published(S2, set(before) - mine | {moved})).positions}

    await ground.act(100, seed=3)
    await ground.give(moved, S1, epoch=3)
    await ground.act(100, seed=4)
    await ground.until_exact({**before, moved: S1})
    progress = await ground.progress(S1, moved)
    assert progress is not None
    assert progress.epoch == 3

    await ground.by_hand("UPDATE partition_map SET epoch = 4 WHERE partition = $1", moved)
    await ground.act(100, seed=5)
    await ground.until_exact()

    async def is_at_4() -> bool:
        stored = await ground.progress(S1, moved)
        return stored is not None and stored.epoch == 4

    await wait_until(is_at_4, timeout_s=20, what="the new epoch to be claimed")
    await ground.act(50, seed=6)
    await ground.until_exact()
    for worker in (first, second):
        assert undisturbed(worker), worker.log


async def test_fenced_partition_waits_alone_and_goes_on_after_the_abort(ground: Ground) -> None:
    """First without new records, then with some: neither ends the session."""
    first, _ = await serving(ground)
    owners = await ground.owners()
    await ground.store.join(ShardEntry(S3, ground.addresses[S3], 100))  # its worker does not run: nobody carries out
    fenced, *others = sorted(partition for partition, shard in owners.items() if shard == S1)
    for seed in (2, 4):
        epoch = (await ground.store.read()).map.owners[fenced].epoch + 1  # type: ignore[union-attr]
        await ground.intend(fenced, S1, target=S3)
        fields = {"epoch": str(epoch), "fenced": "1", "token": "mover"}
        await ground.redis[S1].hset(redis_keys.progress(fenced), mapping=fields)  # type: ignore[arg-type]
        if seed == 4:
            await ground.act(100, seed=seed)
        await ground.until_published(S1, set(others))
        if seed == 2:
            await ground.act(100, seed=seed)
        stands = await ground.progress(S1, fenced)
        assert stands is not None
        assert (stands.fenced, stands.next_offset < ground.sent[fenced]) == (True, True)
        assert 'shardboard_partitions_waiting{shard="s1"} 1.0' in await first.metrics()
        assert await ground.store.abort() == {fenced: epoch + 1}
        await ground.until_exact()
        stands = await ground.progress(S1, fenced)
        assert stands is not None
        assert (stands.fenced, stands.epoch) == (False, epoch + 1)
    assert undisturbed(first), first.log
    detail = await first.ready()
    assert detail is not None
    assert (detail["waiting"], detail["status"]) == ([], "ready")


async def test_joined_shard_serves_an_empty_top_and_waits_for_a_plan(ground: Ground) -> None:
    first, second = await serving(ground)
    before = await ground.owners()
    third = await ground.worker(S3, SHARD_URL=ground.addresses[S3])
    await ground.until_published(S3, set())

    async def has_joined() -> bool:
        return (await ground.store.read()).url_of(S3) == ground.addresses[S3]

    await wait_until(has_joined, timeout_s=20, what="the shard to join")
    detail = await third.ready()
    assert detail is not None
    assert (detail["status"], detail["partitions"]) == ("ready", {})
    assert await ground.owners() == before
    moved = min(before)
    await ground.give(moved, S3, epoch=2)
    await ground.act(100, seed=2)
    await ground.until_exact({**before, moved: S3})
    await ground.until_published(S3, {moved})
    for worker in (first, second, third):
        assert undisturbed(worker), worker.log


async def test_postgres_frozen_and_dead_stops_nobody_and_a_start_without_it_works(ground: Ground) -> None:
    first, second = await serving(ground)
    owners = await ground.owners()
    moved = min(partition for partition, shard in owners.items() if shard == S1)
    with frozen(ground.postgres.data_dir):
        await ground.act(100, seed=2)
        await ground.until_exact(owners)
    pid = ground.postgres.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    await wait_until(lambda: "map_away" in first.log, timeout_s=30, what="the end to be noticed")
    await ground.act(100, seed=3)
    await ground.until_exact(owners)
    assert undisturbed(first), first.log
    await first.kill()
    again = await ground.worker(S1)
    await ground.act(100, seed=4)
    await ground.until_exact(owners)
    await ground.postgres.start()
    await ground.give(moved, S2, epoch=2)
    await ground.act(100, seed=5)
    await ground.until_exact({**owners, moved: S2})
    for worker in (again, second):
        assert undisturbed(worker), worker.log


async def test_postgres_that_lost_the_map_is_not_followed(ground: Ground) -> None:
    """Nor is a map made anew: what the shards hold is the truth then."""
    first, _ = await serving(ground)
    await ground.by_hand("DELETE FROM partition_map")
    await wait_until(lambda: "map_refused" in first.log, timeout_s=20, what="the map to be refused")
    await first.kill()
    again = await ground.worker(S1)
    await ground.act(100, seed=2)

    async def says_so() -> bool:
        detail = await again.ready()
        is_told = detail is not None and "run `shardboard db rebuild-map`" in detail.get("map_fault", "")
        return is_told and detail is not None and detail["status"] == "ready"

    await wait_until(says_so, timeout_s=40, what="the worker to serve, and to tell the fault")
    assert 'shardboard_map_refused{shard="s1"} 1.0' in await again.metrics()
    assert (await ground.store.read()).map is None
