"""One shard with everything that a restore needs, all real: Kafka, the shard's Redis, Postgres, archiver and worker as
processes; and what every partition must hold, counted by the model from the log that the test wrote."""

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.structs import TopicPartition
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.clock import now_ms
from contracts.counting import CountingRules
from contracts.ids import ActionId, Partition, PeriodId, UserId
from contracts.partition_key import partition_of
from contracts.periods import PeriodCalendar
from contracts.progress import State, read_progress
from contracts.record import ActionRecord, AdjustRecord, EraseRecord, HideRecord, Record, UnhideRecord, encode
from foundation.kafka_topics import create_topics
from foundation.postgres_connect import connect
from foundation.settings import load_common
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.support.apply_model import ApplyModel, LogRecord
from tests.support.wait import wait_until
from tests.support.worker_process import ROOT, WorkerProcess, start_worker

PARTITIONS = 4
USERS = 40
CALENDAR = PeriodCalendar()
RULES = CountingRules()


@dataclass(slots=True)
class RestoreGround:
    """Call `act` to write to the log, `until_exact` to wait until Redis holds what the log says."""

    settings: dict[str, str]
    redis: Redis
    redis_server: ValkeyServer
    producer: AIOKafkaProducer
    folder: Path
    ending: AsyncExitStack
    logs: dict[Partition, list[LogRecord]] = field(default_factory=dict)
    sent: list[ActionRecord] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The settings as a shell has them."""
        return {f"SHARDBOARD_{name}": value for name, value in self.settings.items()}

    async def write(self, record: Record) -> None:
        """Append one record, as the gateway does, and remember it as Kafka stored it."""
        partition = partition_of(record.user_id, PARTITIONS)
        key, value = record.user_id.encode(), encode(record)
        stored = await self.producer.send_and_wait(self.settings["ACTIONS_TOPIC"], value, key=key, partition=partition)
        log = self.logs.setdefault(partition, [])
        assert stored.offset == len(log)
        log.append(LogRecord(stored.offset, stored.timestamp, key, value))

    async def act(self, rng: random.Random, count: int) -> None:
        """Actions, repeats of earlier ones, and moderation."""
        for _ in range(count):
            user = UserId(f"user-{rng.randrange(USERS)}")
            chance = rng.random()
            if chance < 0.15 and self.sent:
                await self.write(rng.choice(self.sent))
            elif chance < 0.25:
                await self.moderate(rng, user)
            else:
                record = action(user, rng)
                self.sent.append(record)
                await self.write(record)

    async def moderate(self, rng: random.Random, user: UserId) -> None:
        """Something that a moderator does to a user."""
        more: dict[str, Any] = {"v": 1, "id": fresh_id(rng), "user_id": user, "received_at": now_ms(), "by": "m"}
        kind = rng.choice([HideRecord, HideRecord, UnhideRecord, AdjustRecord, EraseRecord])
        if kind is AdjustRecord:
            await self.write(AdjustRecord(points=rng.choice([-7, 9]), at=now_ms(), reason="r", **more))
        else:
            await self.write(kind(reason="r", **more))

    def models(self) -> dict[Partition, ApplyModel]:
        """What each partition's log says."""
        models = {}
        for partition in map(Partition, range(PARTITIONS)):
            models[partition] = ApplyModel(CALENDAR, RULES)
            models[partition].apply(self.logs.get(partition, []))
        return models

    async def difference(self, partition: Partition) -> str | None:
        """How the partition differs from its log, or None."""
        raw: dict[bytes, bytes] = await self.redis.hgetall(redis_keys.progress(partition))  # type: ignore[assignment]
        progress = read_progress({name.decode(): value.decode() for name, value in raw.items()})
        log, model = self.logs.get(partition, []), self.models()[partition]
        if progress is None or progress.state is not State.OWNED:
            return f"not owned: {progress}"
        if progress.next_offset != len(log):
            return f"at {progress.next_offset} of {len(log)}"
        if (progress.points, progress.counted, progress.log_ms) != (model.points, model.counted, model.log_ms):
            return f"totals {progress}, expected {model.points} {model.counted} {model.log_ms}"
        for period in CALENDAR.span_at(now_ms()).ids:
            found = await self.cells(partition, period)
            expected = model.boards.get(period, {})
            if found != expected:
                return f"{period}: {found} != {expected}"
        hidden: Any = await self.redis.hgetall(redis_keys.hidden(partition))
        parked = {user.decode(): dict(msgspec.msgpack.decode(cells) or {}) for user, cells in hidden.items()}
        wanted = {user: {p: list(cell) for p, cell in cells.items()} for user, cells in model.hidden.items()}
        return None if parked == wanted else f"hidden: {parked} != {wanted}"

    async def cells(self, partition: Partition, period: PeriodId) -> dict[str, tuple[int, int]]:
        """Scores with their times."""
        times: Any = await self.redis.hgetall(redis_keys.scored_at(partition, period))
        pairs: Any = await self.redis.zrange(redis_keys.scores(partition, period), 0, -1, withscores=True)
        return {user.decode(): (int(score), int(times.get(user, 0))) for user, score in pairs}

    async def until_exact(self, partitions: Sequence[Partition] | None = None, *, timeout_s: float = 40) -> None:
        """Wait until these partitions, or all, hold exactly what their logs say."""
        seen: dict[Partition, str | None] = {}

        async def is_exact() -> bool:
            for partition in partitions or [Partition(number) for number in range(PARTITIONS)]:
                seen[partition] = await self.difference(partition)
            return not any(seen.values())

        try:
            await wait_until(is_exact, timeout_s=timeout_s, what="the partitions to equal their logs")
        except AssertionError as error:
            raise AssertionError(f"{error}: {seen}") from error

    async def until_archived(self) -> None:
        """Wait until Postgres's scores hold the whole log."""

        async def is_archived() -> bool:
            connection = await connect(self.settings["POSTGRES_URL"], name="test")
            try:
                rows = await connection.fetch("SELECT partition, scores_next FROM archive_progress")
            except asyncpg.UndefinedTableError:  # the archiver has not begun
                return False
            finally:
                await connection.close()
            ends = {partition: len(self.logs.get(Partition(partition), [])) for partition in range(PARTITIONS)}
            return {row[0]: row[1] for row in rows} == ends

        await wait_until(is_archived, timeout_s=40, what="the log to be archived")

    async def lose_everything(self) -> None:
        """The shard's data directory is deleted while its server is down."""
        await self.redis_server.stop(grace_s=0)
        for path in sorted(self.redis_server.data_dir.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        await self.redis_server.start()
        await self.redis.connection_pool.disconnect()

    async def cut_log(self, partition: Partition) -> int:
        """Retention removes all but the last record; where the log begins then."""
        begin = len(self.logs[partition]) - 1
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings["KAFKA"])
        await admin.start()
        try:
            wanted = TopicPartition(self.settings["ACTIONS_TOPIC"], partition)
            await admin.delete_records({wanted: RecordsToDelete(before_offset=begin)})
        finally:
            await admin.close()
        return begin

    async def worker(self, name: str, **more: str) -> WorkerProcess:
        """Start a worker."""
        worker = await start_worker(self.folder, name, port=free_ports(1)[0], settings={**self.settings, **more})
        self.ending.push_async_callback(worker.kill)
        return worker

    async def archiver(self) -> asyncio.subprocess.Process:
        """Start an archiver."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
        own = {**self.environ, "SHARDBOARD_DB_UPGRADE": "1", "SHARDBOARD_SCORES_INTERVAL_MS": "50"}
        own.pop("SHARDBOARD_SHARD")
        with (self.folder / "archiver.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "archiver", env={**others, **own}, cwd=ROOT, stderr=log, stdout=log
            )

        async def end() -> None:
            if process.returncode is None:
                process.kill()
            await process.wait()

        self.ending.push_async_callback(end)
        return process


@asynccontextmanager
async def restore_ground(
    redis_server: ValkeyServer, *, kafka: str, cache: str, postgres: str, topic: str, folder: Path
) -> AsyncIterator[RestoreGround]:
    """A topic of its own on given servers; all processes started through it end with it."""
    settings = {
        "KAFKA": kafka,
        "ACTIONS_TOPIC": topic,
        "DEAD_TOPIC": f"{topic}.dead",
        "SHARDS": f"s1={redis_server.address}",
        "SHARD": "s1",
        "CACHE_URL": cache,
        "POSTGRES_URL": postgres,
        "LEASE_MS": "500",
    }
    common = load_common({f"SHARDBOARD_{key}": value for key, value in settings.items() if key != "SHARD"})
    await create_topics(common, partitions=PARTITIONS, replication=1)
    async with AsyncExitStack() as ending:
        redis = await ending.enter_async_context(Redis.from_url(redis_server.address))
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True))
        yield RestoreGround(settings, redis, redis_server, producer, folder, ending)


def action(user: UserId, rng: random.Random, *, points: int | None = None) -> ActionRecord:
    """A new action of now."""
    at = now_ms()
    return ActionRecord(
        v=1, id=fresh_id(rng), user_id=user, received_at=at, action="commit", at=at,
        points=points or rng.choice([1, 5, 10]), name=f"Name of {user}" if rng.random() < 0.3 else None,
    )  # fmt: skip


def fresh_id(rng: random.Random) -> ActionId:
    """An id that no other record has."""
    return ActionId(f"{rng.getrandbits(128):032x}")
