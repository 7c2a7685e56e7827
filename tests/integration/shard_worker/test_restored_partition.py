"""One history by hand, archived, and the keys that a restore makes of it on real servers: what must be there, and what
must not, because records that are applied afterwards will bring it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from contracts import redis_keys
from contracts.identity import id16_of
from contracts.ids import ActionId, Epoch, Id16, Partition, ShardId, UserId
from contracts.record import ActionRecord, EraseRecord, HideRecord, Limits, Record, encode
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from foundation.redis_connect import connect
from shard_worker.postgres_restore import ArchivedPartition, ArchiveReader
from shard_worker.redis_restore import PartitionMaker, make
from shard_worker.redis_shard import ShardRedis, library_code
from shard_worker.restore_steps import Archive as ArchivedHead
from shard_worker.restore_steps import Attempt, Cause, Event, Loss, Step
from tests.support.apply_model import LogRecord
from tests.support.archives import Archive
from tests.support.histories import CALENDAR, RULES, START_MS

W = RULES.window_ms
NOW = START_MS // W * W
"""The first moment of the window in which the log ends."""
WINDOW = NOW // W
SHARD = ShardId("s1")
MARK = ClusterMark("d", "t", 8, CALENDAR.spec, W)
BY: dict[str, Any] = {"v": 1, "received_at": 0, "by": "m", "reason": "r"}


def act(user: str, id: str, *, points: int = 1, **more: Any) -> ActionRecord:  # noqa: A002
    return ActionRecord(
        v=1, id=ActionId(id), user_id=UserId(user), received_at=NOW, action="commit", points=points, at=NOW, **more
    )


HISTORY: list[tuple[Record, int]] = [
    (act("kat", "kept", keep_until=NOW + 9 * W), NOW - 2 * W),
    (act("ann", "first", points=5), NOW - W),
    (act("eve", "gone"), NOW - 1),
    (act("bob", "one", limits=Limits(cap_per_day=1)), NOW),
    (act("bob", "two", limits=Limits(cap_per_day=1)), NOW),
    (HideRecord(id=ActionId("hide"), user_id=UserId("ann"), **BY), NOW),
    (EraseRecord(id=ActionId("erase"), user_id=UserId("eve"), **BY), NOW),
    (act("ann", "second", points=2), NOW + 7),
]
LATER = (act("bob", "later"), NOW + 8)
"""Archived, but not in the scores yet."""


@pytest.fixture
def archive(postgres_database: str) -> Iterator[Archive]:
    archive = Archive(postgres_database)
    archive.run(store_postgres_mark(archive.connection, MARK))
    place = archive.begin()
    log = [LogRecord(n, at, b"k", encode(record)) for n, (record, at) in enumerate([*HISTORY, LATER])]
    archive.archive(place, log[:-1])
    archive.flush(place)
    archive.archive(place, log[-1:])
    yield archive
    archive.close()


@pytest.fixture
def keys(archive: Archive, postgres_database: str, any_redis_url: str) -> dict[str, Any]:
    """Every key of the restored partition, by name."""
    return asyncio.run(restore(archive.partition, postgres_database, redis_url=any_redis_url))


async def restore(partition: Partition, postgres: str, *, redis_url: str) -> dict[str, Any]:
    redis: Any = connect(redis_url)
    await redis.flushall()
    await redis.function_load(library_code(), replace=True)
    maker = PartitionMaker(
        ShardRedis(redis, shard=SHARD, writer="w"), partition, epoch=Epoch(1), shard_id=SHARD
    )  # fmt: skip
    reader, attempt = ArchiveReader(postgres, MARK), Attempt()
    async with reader.partition(partition) as archived:
        assert isinstance(archived, ArchivedPartition)
        assert isinstance(archived.head, ArchivedHead)
        chunks = archived.chunks(named_rows=10)
        planned = attempt.after(Event.PLANNED)
        async for attempt in make(maker, Loss(Cause.ABSENT), attempt=planned, start=archived.head.start, chunks=chunks):
            assert attempt.step is not Step.OVER, maker.refusal
    reader.close()
    assert attempt.step is Step.OWNED, maker.refusal
    prefix = redis_keys.partition_prefix(partition)
    found = {raw.decode().removeprefix(prefix): await value(redis, raw) async for raw in redis.scan_iter(f"{prefix}*")}
    await redis.aclose()
    return found


async def value(redis: Any, key: bytes) -> Any:
    match await redis.type(key):
        case b"zset":
            return dict(await redis.zrange(key, 0, -1, withscores=True))
        case b"set":
            return await redis.smembers(key)
    return await redis.hgetall(key)


def id16(user: str, action: str) -> Id16:
    return id16_of(UserId(user), ActionId(action))


def test_ids_of_two_windows_are_known_and_none_that_is_still_to_be_applied(keys: dict[str, Any]) -> None:
    """Those of erased users too; not what was over a limit, not what the scores lack."""
    assert {name for name in keys if name.startswith("seen:")} == {f"seen:{WINDOW - 1}", f"seen:{WINDOW}"}
    assert keys[f"seen:{WINDOW - 1}"] == {id16("ann", "first"), id16("eve", "gone")}
    assert keys[f"seen:{WINDOW}"] == {
        id16("bob", "one"), id16("ann", "hide"), id16("eve", "erase"), id16("ann", "second")
    }  # fmt: skip


def test_kept_ids_are_known(keys: dict[str, Any]) -> None:
    assert keys["kept"] == {id16("kat", "kept"): NOW + 9 * W}


def test_hidden_users_are_hidden_with_what_they_earned(keys: dict[str, Any]) -> None:
    assert keys["scores:all_time"] == {b"kat": 1, b"bob": 1}
    assert msgspec.msgpack.decode(keys["hidden"][b"ann"])["all_time"] == [7, NOW + 7]


def test_position_is_that_of_the_scores(keys: dict[str, Any]) -> None:
    progress = keys["progress"]
    assert (progress[b"state"], progress[b"next_offset"], progress[b"log_ms"]) == (b"owned", b"8", b"%d" % (NOW + 7))
    assert progress[b"last"].startswith(b"7:")
