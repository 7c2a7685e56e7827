"""A partition restored from a real archive equals the one that applied the whole log, on Valkey and on Redis 7.

For any history: a part of the log is archived and its scores are flushed up to some record; the partition is wiped,
made anew from the snapshot, and applies the log from there. Every key must be what the plain run left."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.counting import CAP_DAYS_BEFORE, day_of, window_of
from contracts.ids import Epoch, LogMs, Offset, Partition, ShardId
from contracts.periods import SpanCache
from contracts.progress import Progress, State
from foundation.postgres_connect import connect as connect_postgres
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from foundation.redis_connect import connect
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import DeadRecord, Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.postgres_restore import ArchivedPartition, ArchiveReader
from shard_worker.redis_applier import Applier
from shard_worker.redis_restore import PartitionMaker, make
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import Claimed
from shard_worker.restore_steps import Archive as ArchivedHead
from shard_worker.restore_steps import Attempt, Cause, Event, Loss, NoArchive, Step
from shardboard.embedded.ports import free_ports
from tests.support.apply_model import LogRecord
from tests.support.archives import Archive
from tests.support.histories import CALENDAR, RULES, histories

SHARD = ShardId("s1")
MARK = ClusterMark("d", "t", 8, CALENDAR.spec, RULES.window_ms)
FROM_START = Position(Offset(0), LogMs(0))


class Restored:
    """One server, one writer, and whatever partition the archive is at."""

    def __init__(self, archive: Archive, archive_url: str, *, redis_url: str) -> None:
        self.archive = archive
        self.redis: Any = connect(redis_url)
        self.shard = ShardRedis(self.redis, shard=SHARD, writer="w")
        self.folder = Folder(RULES, SpanCache(CALENDAR))
        self.reader = ArchiveReader(archive_url, MARK)

    async def claim(self) -> Claimed:
        reply = await self.shard.claim(self.archive.partition, Epoch(1), begin=Offset(0))
        assert isinstance(reply, Claimed), reply
        return reply

    async def apply(self, records: Sequence[LogRecord], *, before: Position) -> None:
        async def divert(dead: Sequence[DeadRecord]) -> None:
            assert dead

        p = self.archive.partition
        top = LocalTop(shown=2)
        applier = Applier(self.shard, self.folder, top=top, divert=divert, breaker=DeadBreaker())
        result = await applier.run(self.folder.fold_all(p, records, before=before), {p: Epoch(1)})
        assert not result.refused

    async def restore(self) -> Claimed:
        """Give the owned state up and make it anew from the snapshot."""
        p = self.archive.partition
        progress = await self.progress()
        maker = PartitionMaker(self.shard, p, epoch=Epoch(1), shard_id=SHARD)
        loss = Loss(Cause.ASKED, given_up=progress.next_offset)
        attempt = Attempt()
        async with self.reader.partition(p) as archived:
            assert isinstance(archived, ArchivedPartition)
            head = archived.head
            assert isinstance(head, ArchivedHead)
            chunks = archived.chunks(named_rows=100)
            planned = attempt.after(Event.PLANNED)
            async for attempt in make(maker, loss, attempt=planned, start=head.start, chunks=chunks):
                if attempt.step is not Step.OWNED:
                    assert (await self.progress()).state is State.RESTORING
        assert attempt.step is Step.OWNED, (attempt, maker.refusal)
        return await self.claim()

    async def progress(self) -> Progress:
        progress = await self.shard.progress(self.archive.partition)
        assert progress is not None
        return progress

    async def stored(self) -> dict[str, Any]:
        """Every key of the partition, as values that compare."""
        prefix = redis_keys.partition_prefix(self.archive.partition)
        progress = await self.progress()
        found: dict[str, Any] = {"progress": (progress.next_offset, progress.log_ms, progress.last, progress.points,
                                              progress.counted)}  # fmt: skip
        caps: dict[bytes, tuple[int, bytes]] = {}
        async for raw in self.redis.scan_iter(match=f"{prefix}*"):
            name = raw.decode().removeprefix(prefix)
            if name in ("progress", "names"):
                continue
            value = await _value(self.redis, raw)
            if name == "hidden":
                value = {user: dict(msgspec.msgpack.decode(packed) or {}) for user, packed in value.items()}
            if name.startswith("caps:"):
                day = int(name.removeprefix("caps:"))
                for field, used in value.items():
                    caps[field] = max(caps.get(field, (0, b"")), (day, used))
            else:
                found[name] = value
        today, window = day_of(progress.log_ms), window_of(progress.log_ms, RULES)
        found["caps"] = {field: use for field, use in caps.items() if use[0] >= today - CAP_DAYS_BEFORE}
        windows = {f"seen:{window - 1}", f"seen:{window}"}
        return {name: value for name, value in found.items() if not name.startswith("seen:") or name in windows}

    def close(self) -> None:
        self.reader.close()
        self.archive.run(self.redis.aclose())


async def _value(redis: Any, key: bytes) -> Any:
    kind = str(await redis.type(key), "ascii")
    if kind == "zset":
        return dict(await redis.zrange(key, 0, -1, withscores=True))
    if kind == "set":
        return await redis.smembers(key)
    assert kind == "hash", (key, kind)
    return await redis.hgetall(key)


@pytest.fixture
def restored(postgres_database: str, any_redis_url: str) -> Iterator[Restored]:
    archive = Archive(postgres_database)
    archive.run(store_postgres_mark(archive.connection, MARK))
    made = Restored(archive, postgres_database, redis_url=any_redis_url)
    archive.run(made.redis.flushall())
    yield made
    made.close()
    archive.close()


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), log=histories())
def test_restored_partition_equals_one_that_applied_the_log(
    restored: Restored, data: st.DataObject, log: list[LogRecord]
) -> None:
    archive = restored.archive
    place = archive.begin()
    flushed_to = data.draw(st.integers(1, len(log)), label="scores flushed up to")
    archived_to = data.draw(st.integers(flushed_to, len(log)), label="archived up to")
    archive.archive(place, log[:flushed_to])
    archive.flush(place)
    if archived_to > flushed_to:
        archive.archive(place, log[flushed_to:archived_to])

    async def both() -> None:
        await restored.claim()
        await restored.apply(log, before=FROM_START)
        expected = await restored.stored()
        claim = await restored.restore()
        assert claim.next_offset <= archived_to
        rest = log[claim.next_offset :]
        if rest:
            await restored.apply(rest, before=Position(claim.next_offset, claim.log_ms))
        assert await restored.stored() == expected

    archive.run(both())


def test_database_of_another_deployment_is_no_archive(postgres_database: str) -> None:
    async def ask() -> NoArchive:
        connection = await connect_postgres(postgres_database, name="test")
        await upgrade(connection)
        await store_postgres_mark(connection, MARK)
        await connection.close()
        reader = ArchiveReader(postgres_database, replace(MARK, deployment="e"))
        async with reader.partition(Partition(0)) as archived:
            assert isinstance(archived, NoArchive)
            return archived

    assert "belongs to another deployment: deployment is 'd' there, 'e' here" in asyncio.run(ask()).reason


def test_archive_that_is_away_or_empty_is_told_apart(postgres_database: str, unused_port_url: str) -> None:
    async def ask(url: str) -> str:
        reader = ArchiveReader(url, MARK)
        async with reader.partition(Partition(0)) as archived:
            assert isinstance(archived, NoArchive)
            return archived.reason

    assert asyncio.run(ask("")) == "there is no archive: SHARDBOARD_POSTGRES_URL is not set"
    assert asyncio.run(ask(postgres_database)) == "Postgres holds no archive yet"
    assert "Postgres does not answer" in asyncio.run(ask(unused_port_url))


@pytest.fixture
def unused_port_url() -> str:
    return f"postgresql://nobody@127.0.0.1:{free_ports(1)[0]}/none"
