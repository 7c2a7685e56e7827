"""Two shards between which partitions move, with everything real: Kafka, both Redis, Postgres, workers as processes.
The receiving worker stands still where the test wants it, so that anything can be killed at any step."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis
from redis.exceptions import RedisError

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import ActionId, Partition, ShardId, UserId
from contracts.moves import MoveOrder, MovePhase, MoveReport, PlanOrder
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.progress import Progress, State, read_progress
from contracts.record import ActionRecord, encode
from contracts.shard_map import Ownership
from foundation.kafka_topics import create_topics
from foundation.postgres_connect import AWAY, connect
from foundation.postgres_map import MapStore
from foundation.settings import load_common
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.valkey import ValkeyServer
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess, start_worker

PARTITIONS = 4
USERS = 60
S1, S2 = ShardId("s1"), ShardId("s2")
WAIT_S = 90.0
"""For anything to happen on a busy machine: a killed server's restart, a lease that runs out, a client's 5 s."""


@dataclass(slots=True)
class MoveGround:
    """`act` writes to the log, `move` intends a move, `until_settled` waits until all is as it must be."""

    settings: dict[str, str]
    servers: Mapping[ShardId, ValkeyServer]
    redis: dict[str, Redis]
    producer: AIOKafkaProducer
    postgres: PostgresServer
    store: MapStore
    folder: Path
    ending: AsyncExitStack
    workers: dict[str, WorkerProcess] = field(default_factory=dict)
    sent: Counter[int] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    zombies: list[WorkerProcess] = field(default_factory=list)
    lives: int = 0

    @property
    def gate(self) -> Path:
        """Where workers stand: see tests/support/gated_worker.py."""
        return self.folder / "gate"

    @contextmanager
    def gate_at(self, step: str) -> Iterator[None]:
        """The receiving worker stands before this step until the block ends."""
        (self.gate / "reached").unlink(missing_ok=True)
        (self.gate / "stop-at").write_text(step)
        try:
            yield
        finally:
            (self.gate / "stop-at").unlink(missing_ok=True)

    async def until_reached(self) -> None:
        """Wait until a worker stands at the gate."""
        await wait_until((self.gate / "reached").exists, timeout_s=WAIT_S, what="a worker to come to the gate")

    async def worker(self, shard: ShardId) -> WorkerProcess:
        """Start a worker of this shard; an earlier one may still run."""
        self.lives += 1
        settings = {**self.settings, "SHARD": shard, "GATE": str(self.gate)}
        worker = await start_worker(
            self.folder, f"worker-{shard}-{self.lives}", port=free_ports(1)[0], settings=settings,
            module="tests.support.gated_worker",
        )  # fmt: skip
        self.ending.push_async_callback(worker.kill)
        self.workers[shard] = worker
        return worker

    async def act(self, count: int, *, seed: int) -> None:
        """Actions of many users."""
        rng, pending = random.Random(seed), []
        for _ in range(count):
            user, points, at = UserId(f"user-{rng.randrange(USERS)}"), rng.choice([1, 5, 10]), now_ms()
            record = ActionRecord(v=1, id=ActionId(f"{rng.getrandbits(128):032x}"), user_id=user, received_at=at,
                                  action="commit", points=points, at=at)  # fmt: skip
            partition = partition_of(user, PARTITIONS)
            topic, key = self.settings["ACTIONS_TOPIC"], user.encode()
            pending.append(await self.producer.send(topic, encode(record), key=key, partition=partition))
            self.sent[partition] += 1
            self.expected[user] += points
        await asyncio.gather(*pending)

    async def owners(self) -> list[Ownership]:
        """By the map."""
        stored = await self.store.read()
        return list(stored.map.owners) if stored.map is not None else []

    async def move(self, partition: Partition) -> MoveOrder:
        """Intend a move of this partition to the other shard."""
        source = (await self.owners())[partition].shard
        order = MoveOrder(partition, source, S2 if source == S1 else S1)
        version = await self.store.version()
        await self.store.apply_plan(PlanOrder(map_version=version, checksum="", content=b"{}", moves=(order,)))
        return order

    async def report(self, partition: Partition) -> MoveReport:
        """The newest move of this partition."""
        return [report for report in await self.store.moves() if report.partition == partition][-1]

    async def progress(self, shard: str, partition: int) -> Progress | None:
        """What a shard's Redis holds of a partition."""
        raw: Any = await self.redis[shard].hgetall(redis_keys.progress(Partition(partition)))
        return read_progress({name.decode(): value.decode() for name, value in raw.items()})

    async def fault(self) -> str | None:
        """What is not yet as it must be once all moves are over, or None."""
        try:
            owners = await self.owners()
        except (asyncpg.PostgresError, *AWAY) as error:
            return f"Postgres: {error}"
        if len(owners) < PARTITIONS:
            return "no map"
        found: Counter[str] = Counter()
        for number, owner in enumerate(owners):
            if owner.move is not None or owner.forget:
                return f"partition {number} is on its way: {owner}"
            here, there = owner.shard, S2 if owner.shard == S1 else S1
            progress = await self.progress(here, number)
            if progress is None or (progress.state, progress.next_offset) != (State.OWNED, self.sent[number]):
                return f"partition {number} at {here}: {progress}, {self.sent[number]} were sent"
            if progress.fenced or progress.epoch != owner.epoch:
                return f"partition {number} at {here}: {progress}, the map says {owner}"
            leftover = await self.progress(there, number)
            if leftover is not None:
                return f"two hold partition {number}: {leftover}"
            rows: Any = await self.redis[here].zrange(redis_keys.scores(Partition(number), ALL_TIME), 0, -1,
                                                      withscores=True)  # fmt: skip
            found.update({user.decode(): int(score) for user, score in rows})
        return None if found == self.expected else f"{found} != {self.expected}"

    async def until_settled(self) -> None:
        """Wait until every move is over and every partition is at one shard, whole: lost 0, doubled 0, two owners 0."""
        seen: list[str | None] = [""]

        async def is_settled() -> bool:
            with suppress(OSError, RedisError):
                seen[0] = await self.fault()
            return seen[0] is None

        try:
            await wait_until(is_settled, timeout_s=WAIT_S, what="the moves to be over")
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen[0]}") from error

    async def until_told(self, partition: Partition, *phases: MovePhase) -> MoveReport:
        """Wait until the newest move of this partition is in one of these phases."""

        async def is_told() -> bool:
            return (await self.report(partition)).phase in phases

        await wait_until(is_told, timeout_s=WAIT_S, what=f"the move to be {phases}")
        return await self.report(partition)

    # --- faults ---

    async def kill(self, party: str, order: MoveOrder) -> None:
        """SIGKILL, and a new start, as whoever looks after processes does. A Redis that is killed may lose a second."""
        match party:
            case "source worker" | "target worker":
                shard = order.source if party == "source worker" else order.target
                await self.workers[shard].kill()
                await self.worker(shard)
            case "postgres":
                await self.postgres.stop(grace_s=0)
                await self.postgres.start()
            case _:
                server = self.servers[order.source if party == "source redis" else order.target]
                await server.stop(grace_s=0)
                await server.start()

    async def freeze(self, party: str, order: MoveOrder) -> AsyncExitStack:
        """The party stands still until what is returned is closed. A frozen worker's place is taken by a standby."""
        frozen = AsyncExitStack()
        if party.endswith("worker"):
            shard = order.source if party == "source worker" else order.target
            zombie = self.workers[shard]
            self.zombies.append(zombie)
            frozen.enter_context(stopped(zombie.pid))
            await self.worker(shard)
        else:
            frozen.enter_context(stopped(self.pid(party, order)))
        return frozen

    async def end_zombies(self) -> None:
        """Workers that were frozen and replaced."""
        while self.zombies:
            await self.zombies.pop().kill()

    def pid(self, party: str, order: MoveOrder) -> int:
        """Of a server's process."""
        match party:
            case "postgres":
                pid = self.postgres.pid
            case _:
                pid = self.servers[order.source if party == "source redis" else order.target].pid
        assert pid is not None
        return pid


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """The process, with its children, stands still until the block ends."""
    children = (Path(f"/proc/{pid}/task/{pid}/children").read_text().split(),)
    pids = [pid, *map(int, children[0])]
    for one in pids:
        os.kill(one, signal.SIGSTOP)
    try:
        yield
    finally:
        for one in pids:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)


@asynccontextmanager
async def move_ground(
    servers: Mapping[ShardId, ValkeyServer],
    *,
    kafka: str,
    cache: str,
    postgres: PostgresServer,
    topic: str,
    folder: Path,
) -> AsyncIterator[MoveGround]:
    """A topic of its own and two workers that serve it; all processes started through it end with it."""
    connection = await connect(postgres.address, name="test")
    await upgrade(connection)
    await connection.close()
    settings = {
        "KAFKA": kafka,
        "ACTIONS_TOPIC": topic,
        "DEAD_TOPIC": f"{topic}.dead",
        "SHARDS": ",".join(f"{shard}={server.address}" for shard, server in servers.items()),
        "CACHE_URL": cache,
        "POSTGRES_URL": postgres.address,
        "LEASE_MS": "1000",
    }
    common = load_common({f"SHARDBOARD_{name}": value for name, value in settings.items()})
    await create_topics(common, partitions=PARTITIONS, replication=1)
    (folder / "gate").mkdir()
    store = MapStore(postgres.address, name="operator")
    async with AsyncExitStack() as ending:
        redis: dict[str, Redis] = {
            shard: await ending.enter_async_context(Redis.from_url(server.address)) for shard, server in servers.items()
        }
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=2))
        ending.push_async_callback(store.close)
        ground = MoveGround(settings, servers, redis, producer, postgres, store, folder, ending)
        for shard in (S1, S2):
            await ground.worker(shard)
        await ground.act(200, seed=1)
        await ground.until_settled()
        yield ground
