"""Two shards with their workers, a merger and a cache, on a topic of its own: what `verify` and the auditor look at."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import ActionId, Partition, PeriodId, UserId
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.record import ActionRecord, Record, encode
from contracts.tops import decode_global_top
from foundation.kafka_topics import create_topics
from foundation.settings import CommonSettings, load_common
from tests.support.processes import Ended, command
from tests.support.services import StartValkey
from tests.support.wait import wait_until

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 4
SHARDS = ("s1", "s2")


@dataclass(slots=True)
class Deployment:
    """What runs, and how a test writes to its log."""

    settings: dict[str, str]
    common: CommonSettings
    shards: dict[str, Redis]
    cache: Redis
    producer: AIOKafkaProducer
    sent: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    """Merger and archiver."""

    @property
    def environ(self) -> dict[str, str]:
        """What commands and services read."""
        return {f"SHARDBOARD_{key}": value for key, value in self.settings.items()}

    async def send(self, record: Record) -> None:
        """Write a record as the gateway does."""
        key = record.user_id.encode()
        await self.send_bytes(partition_of(record.user_id, PARTITIONS), key=key, value=encode(record))

    async def send_bytes(self, partition: int, *, key: bytes | None, value: bytes | None) -> None:
        """Write any bytes."""
        await self.producer.send(self.settings["ACTIONS_TOPIC"], value, key=key, partition=partition)
        self.sent[partition] += 1

    async def act(self, count: int, *, seed: int, users: int = 50) -> None:
        """Random actions, one in eight sent twice, one in thirty a record that cannot count."""
        rng = random.Random(seed)
        for _ in range(count):
            record = action(f"user-{rng.randrange(users)}", rng.choice([1, 5, 10]))
            for _ in range(2 if rng.random() < 0.125 else 1):
                await self.send(record)
            if rng.random() < 1 / 30:
                await self.send_bytes(rng.randrange(PARTITIONS), key=b"k", value=b"{}")
        await self.producer.flush()

    async def owner(self, partition: int) -> Redis:
        """The Redis that has the partition."""
        for redis in self.shards.values():
            if await redis.exists(redis_keys.progress(Partition(partition))):
                return redis
        raise AssertionError(f"nobody has partition {partition}")

    async def is_owned(self) -> bool:
        """Whether every partition has an owner."""
        keys = [redis_keys.progress(Partition(partition)) for partition in range(PARTITIONS)]
        return sum([await redis.exists(*keys) for redis in self.shards.values()]) == PARTITIONS

    async def until_shown(self) -> None:
        """Wait until every board contains all that was sent."""

        async def is_complete() -> bool:
            data = await self.cache.get(redis_keys.top(ALL_TIME))
            if not isinstance(data, bytes):
                return False
            shown = {position.partition: position.next_offset for position in decode_global_top(data).positions}
            return shown == self.sent

        await wait_until(is_complete, timeout_s=60, what=f"{self.sent} to be shown")

    async def run(self, *words: str) -> Ended:
        """A command about this deployment, to its end."""
        return await command(*words, cwd=None, **self.environ)


def action(user: str, points: int, **more: Any) -> ActionRecord:
    """An action of now, with an id of its own."""
    at = now_ms()
    given = {"id": ActionId(f"{random.getrandbits(128):032x}"), "received_at": at, "at": at, **more}
    return ActionRecord(v=1, user_id=UserId(user), action="commit", points=points, **given)


def scores_key(user: str, period: PeriodId = ALL_TIME) -> str:
    """Where a user's score is."""
    return redis_keys.scores(Partition(partition_of(UserId(user), PARTITIONS)), period)


@asynccontextmanager
async def live_shards(
    kafka_address: str, start_valkey: StartValkey, *, name: str, folder: Path, postgres: str = ""
) -> AsyncIterator[Deployment]:
    """Everything runs, and every partition has its owner. `name` is the topic's; logs are in `folder`. With a
    database's address an archiver runs too."""
    async with AsyncExitStack() as ending:
        addresses = {server: (await start_valkey(server)).address for server in (*SHARDS, "cache")}
        settings = {
            "KAFKA": kafka_address,
            "ACTIONS_TOPIC": name,
            "DEAD_TOPIC": f"{name}.dead",
            "SHARDS": ",".join(f"{shard}={addresses[shard]}" for shard in SHARDS),
            "CACHE_URL": addresses["cache"],
            "URL": "http://127.0.0.1:9",
            "POSTGRES_URL": postgres,
            "DB_UPGRADE": "1",
            "SCORES_INTERVAL_MS": "50",
        }
        common = load_common({f"SHARDBOARD_{key}": value for key, value in settings.items()})
        await create_topics(common, partitions=PARTITIONS, replication=1)
        clients = {
            server: await ending.enter_async_context(Redis.from_url(address)) for server, address in addresses.items()
        }
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka_address, linger_ms=2))
        found = Deployment(settings, common, {s: clients[s] for s in SHARDS}, clients["cache"], producer)
        for shard in SHARDS:
            worker = await start_service(folder, "shard_worker", environ={**found.environ, "SHARDBOARD_SHARD": shard})
            ending.push_async_callback(end, worker)
        for service in ("merger", *(["archiver"] if postgres else [])):
            process = found.processes[service] = await start_service(folder, service, environ=found.environ)
            ending.push_async_callback(end, process)
        await wait_until(found.is_owned, timeout_s=60, what="every partition to have an owner")
        yield found


async def start_service(folder: Path, module: str, *, environ: dict[str, str]) -> asyncio.subprocess.Process:
    """`python -m module`, its log beside the test's files."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    with (folder / f"{module}.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, cwd=ROOT, env={**plain, **environ}, stdout=log, stderr=log
        )


async def end(process: asyncio.subprocess.Process) -> None:
    """SIGKILL, unless it has ended."""
    if process.returncode is None:
        process.kill()
        await process.wait()
