"""Archivers in this process and in processes of their own, a topic for each test, and what they must have counted."""

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer

from archiver.postgres_migrate import upgrade
from archiver.service import Archiver
from archiver.settings import read_settings
from contracts.clock import now_ms
from contracts.ids import ActionId, UserId
from contracts.partition_key import partition_of
from contracts.record import ActionRecord, encode
from foundation.kafka_topics import create_topics
from foundation.postgres_connect import Connection, connect
from foundation.service import StopSignal
from foundation.settings import load_common
from tests.support.archives import Archive

PARTITIONS = 4
ROOT = Path(__file__).resolve().parents[3]
StartArchiver = Callable[..., Awaitable["Running"]]
SpawnArchiver = Callable[..., Awaitable[asyncio.subprocess.Process]]


@dataclass(frozen=True, slots=True)
class Ground:
    """A topic, a database, and the environment of services that use them."""

    environ: dict[str, str]
    topic: str
    database: str
    producer: AIOKafkaProducer

    async def send(self, records: Iterable[ActionRecord | bytes]) -> None:
        """Append in order; bytes that are no record go to partition 0."""
        futures = []
        for record in records:
            if isinstance(record, bytes):
                futures.append(await self.producer.send(self.topic, record, partition=0))
            else:
                p = partition_of(record.user_id, PARTITIONS)
                key = record.user_id.encode()
                futures.append(await self.producer.send(self.topic, encode(record), key=key, partition=p))
        await asyncio.gather(*futures)

    async def scores(self, period: str = "all_time") -> dict[str, int]:
        """What Postgres has."""
        return {
            row[0]: row[1] for row in await self.fetch("SELECT user_id, score FROM scores WHERE period = $1", period)
        }

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Rows; none as long as there is no table."""
        connection = await asyncpg.connect(self.database)
        try:
            return list(await connection.fetch(sql, *arguments))
        except asyncpg.UndefinedTableError:
            return []
        finally:
            await connection.close()

    async def outcomes(self) -> Counter[str]:
        """How many rows of each outcome."""
        rows = await self.fetch("SELECT outcome, count(*) FROM actions GROUP BY outcome")
        return Counter({row[0]: row[1] for row in rows})


class Running:
    """An archiver in this process."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.archiver = Archiver(read_settings(environ))
        self.stop_signal = StopSignal()
        self.task = asyncio.create_task(self.archiver.run(self.stop_signal), name="archiver")

    @property
    def partitions(self) -> int:
        """How many it follows."""
        found: Any = self.archiver.readiness().detail["partitions"]
        return len(found)

    async def stop(self) -> None:
        """Drain."""
        self.stop_signal.set()
        await self.task


def action(user: str, number: int, *, points: int = 1) -> ActionRecord:
    """Number `number` of a user, now."""
    now = now_ms()
    return ActionRecord(
        v=1,
        id=ActionId(f"{user}-{number}"),
        user_id=UserId(user),
        received_at=now,
        action="commit",
        points=points,
        at=now,
    )


@pytest.fixture
def archives(postgres_database: str) -> Iterator[Archive]:
    made = Archive(postgres_database)
    yield made
    made.close()


@pytest.fixture
async def postgres(postgres_database: str) -> AsyncIterator[Connection]:
    """A connection to a database with the schema."""
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    yield connection
    await connection.close()


@asynccontextmanager
async def make_ground(kafka: str, database: str, *, topic: str) -> AsyncIterator[Ground]:
    """A new topic beside an empty database."""
    environ = {
        "SHARDBOARD_KAFKA": kafka,
        "SHARDBOARD_ACTIONS_TOPIC": topic,
        "SHARDBOARD_DEAD_TOPIC": f"{topic}.dead",
        "SHARDBOARD_POSTGRES_URL": database,
        "SHARDBOARD_DB_UPGRADE": "1",
        "SHARDBOARD_SCORES_INTERVAL_MS": "50",
    }
    await create_topics(load_common(environ), partitions=PARTITIONS, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True) as producer:
        yield Ground(environ, topic, database, producer)


@pytest.fixture
async def ground(kafka_address: str, postgres_database: str, unique_name: str) -> AsyncIterator[Ground]:
    async with make_ground(kafka_address, postgres_database, topic=unique_name) as made:
        yield made


@pytest.fixture
async def start_archiver(ground: Ground) -> AsyncIterator[StartArchiver]:
    async with AsyncExitStack() as ending:

        async def start(**more: str) -> Running:
            running = Running({**ground.environ, **{f"SHARDBOARD_{name}": value for name, value in more.items()}})
            ending.push_async_callback(running.stop)
            return running

        yield start


@pytest.fixture
async def spawn_archiver(ground: Ground) -> AsyncIterator[SpawnArchiver]:
    """In a process of its own, for SIGKILL and SIGSTOP."""
    started: list[asyncio.subprocess.Process] = []

    async def spawn(**more: str) -> asyncio.subprocess.Process:
        others = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
        own = {f"SHARDBOARD_{name}": value for name, value in more.items()}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "archiver", env={**others, **ground.environ, **own}, cwd=ROOT,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        started.append(process)
        return process

    yield spawn
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()
