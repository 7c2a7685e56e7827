"""The worker as a process on real Kafka and Valkey: scores, tops and dead letters are exact, whatever dies."""

import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.clock import now_ms
from contracts.ids import ActionId, Partition, PeriodId, ShardId, UserId
from contracts.partition_key import partition_of
from contracts.periods import PeriodCalendar
from contracts.ranking import TopRow, top_rows
from contracts.record import ActionRecord, HideRecord, Record, UnhideRecord, encode
from contracts.tops import ShardTop, decode_shard_top
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.support.services import StartValkey
from tests.support.wait import wait_until
from tests.support.worker_process import WorkerProcess, start_worker

PARTITIONS = 6
TOP_ROWS = 5
SHARD = ShardId("s1")
ALL_TIME = PeriodId("all_time")


@dataclass(slots=True)
class Deployment:
    """One shard with its Redis, a cache, and topics of its own."""

    settings: dict[str, str]
    redis: Redis
    cache: Redis
    producer: AIOKafkaProducer
    redis_server: ValkeyServer
    start: Callable[[str], Awaitable[WorkerProcess]]
    expected: Counter[str]
    sent: int = 0

    async def send(self, record: Record) -> None:
        """Write a record as the gateway does."""
        await self.send_bytes(partition_of(record.user_id, PARTITIONS), record.user_id.encode(), value=encode(record))

    async def send_bytes(self, partition: int, key: bytes | None, *, value: bytes | None) -> None:
        """Write any bytes."""
        await self.producer.send(self.settings["ACTIONS_TOPIC"], value, key=key, partition=partition)
        self.sent += 1

    async def act(self, rng: random.Random, count: int, *, users: int = 40) -> None:
        """Random actions, one in eight sent twice; what must come of them is added to `expected`."""
        for _ in range(count):
            record = action(f"user-{int(rng.paretovariate(0.7)) % users}", rng.choice([1, 5, 5, 10]))
            for _ in range(2 if rng.random() < 0.125 else 1):
                await self.send(record)
            self.expected[record.user_id] += record.points
        await self.producer.flush()

    async def scores(self, period: PeriodId = ALL_TIME) -> dict[str, int]:
        """Every user's score in the shard's Redis."""
        found: dict[str, int] = {}
        for partition in range(PARTITIONS):
            key = redis_keys.scores(Partition(partition), period)
            for user, score in await self.redis.zrange(key, 0, -1, withscores=True):  # type: ignore[str-unpack]
                assert partition_of(UserId(user.decode()), PARTITIONS) == partition  # type: ignore[union-attr]
                found[user.decode()] = int(score)  # type: ignore[union-attr]
        return found

    async def top(self) -> ShardTop | None:
        """What is published."""
        data = await self.cache.hget(redis_keys.SHARD_TOPS, SHARD)
        assert not isinstance(data, str)
        return decode_shard_top(data) if data else None

    async def applied(self) -> int:
        """How many records are applied, by the positions in Redis."""
        offsets = [await self.redis.hget(redis_keys.progress(Partition(p)), "next_offset") for p in range(PARTITIONS)]
        return sum(int(offset or 0) for offset in offsets)

    async def published(self) -> int:
        """How many records the published top contains."""
        top = await self.top()
        return sum(position.next_offset for position in top.positions) if top else 0

    async def until_published(self) -> ShardTop:
        """Wait until the top contains all that was sent."""

        async def is_complete() -> bool:
            return await self.published() == self.sent

        await wait_until(is_complete, timeout_s=40, what=f"{self.sent} records to be published")
        top = await self.top()
        assert top is not None
        return top


def action(user: str, points: int, **more: Any) -> ActionRecord:
    """An action of now, with an id of its own."""
    at = now_ms()
    return ActionRecord(
        v=1, id=ActionId(f"{random.getrandbits(128):032x}"), user_id=UserId(user), received_at=at, action="commit",
        points=points, at=at, **more,
    )  # fmt: skip


@pytest.fixture
async def deployment(
    kafka_address: str, valkey_url: str, start_valkey: StartValkey, unique_name: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    server = await start_valkey("s1")
    cache_url = (await start_valkey("cache")).address
    settings = {
        "KAFKA": kafka_address,
        "ACTIONS_TOPIC": unique_name,
        "DEAD_TOPIC": f"{unique_name}.dead",
        "SHARDS": f"s1={server.address}",
        "SHARD": "s1",
        "CACHE_URL": cache_url,
        "TOP_ROWS": str(TOP_ROWS),
        "LEASE_MS": "1000",
    }
    common = load_common({f"SHARDBOARD_{key}": value for key, value in settings.items() if key != "SHARD"})
    await create_topics(common, partitions=PARTITIONS, replication=1)
    async with AsyncExitStack() as ending:
        redis = await ending.enter_async_context(Redis.from_url(server.address))
        cache = await ending.enter_async_context(Redis.from_url(cache_url))
        producer = await ending.enter_async_context(AIOKafkaProducer(bootstrap_servers=kafka_address, linger_ms=2))

        async def start(name: str) -> WorkerProcess:
            worker = await start_worker(tmp_path, name, port=free_ports(1)[0], settings=settings)
            ending.push_async_callback(worker.kill)
            return worker

        yield Deployment(settings, redis, cache, producer, server, start, Counter())


async def test_scores_and_top_equal_a_plain_count(deployment: Deployment) -> None:
    """Actions, repeats, bad bytes, names; scores of all users on all boards, the top in order, dead letters whole."""
    rng = random.Random(1)
    worker = await deployment.start("w1")
    await deployment.act(rng, 1_500)
    bad = [b"", b"{", b'{"kind":"action"}', b"\xff\xff", None, b'{"v":1,"kind":"action","points":1e999}']
    for value in bad:
        await deployment.send_bytes(rng.randrange(PARTITIONS), b"k", value=value)
    await deployment.send(action("named", 100_000, name="Zoë"))
    deployment.expected["named"] += 100_000
    await deployment.act(rng, 500)
    top = await deployment.until_published()
    span = PeriodCalendar().span_at(now_ms())
    for period in span.ids:
        assert await deployment.scores(period) == dict(deployment.expected)
    await assert_top_is_exact(deployment, top)
    board = next(board for board in top.boards if board.period == ALL_TIME)
    assert (board.rows[0].user_id, board.rows[0].name) == ("named", "Zoë")
    await assert_dead_letters(deployment, bad)
    detail = await worker.ready()
    assert detail is not None
    assert (detail["status"], detail["shard"], detail["role"]) == ("ready", "s1", "active")
    assert sum(p["next_offset"] for p in detail["partitions"].values()) == deployment.sent
    assert 'shardboard_dead_letters_total{reason="bad record",shard="s1"} 6.0' in await worker.metrics()


async def test_restarts_and_kills_lose_and_double_nothing(deployment: Deployment) -> None:
    """The worker is killed in the middle of a stream again and again, drained once, and its Redis is killed once."""
    rng = random.Random(2)
    for life in range(5):
        worker = await deployment.start(f"w{life}")
        before = await deployment.applied()
        await deployment.act(rng, 400)

        async def has_moved(before: int = before) -> bool:
            return await deployment.applied() > before

        await wait_until(has_moved, timeout_s=30, what="records to be applied")
        if life == 2:
            worker.signal(signal.SIGTERM)
            assert await worker.ended() == 0
        else:
            await worker.kill()
    last = await deployment.start("last")
    await deployment.act(rng, 200)
    await deployment.redis_server.stop(grace_s=0)
    await deployment.redis_server.start()
    await deployment.redis.connection_pool.disconnect()
    await deployment.act(rng, 200)
    top = await deployment.until_published()
    assert await deployment.scores() == dict(deployment.expected)
    await assert_top_is_exact(deployment, top)
    assert last.is_running


async def test_standby_takes_over_and_the_frozen_one_writes_nothing(deployment: Deployment) -> None:
    rng = random.Random(3)
    first = await deployment.start("first")
    await wait_until(lambda: has_role(first, "active"), timeout_s=20, what="the first worker to serve")
    second = await deployment.start("second")
    await wait_until(lambda: has_role(second, "standby"), timeout_s=20, what="the second worker to stand by")
    await deployment.act(rng, 300)
    first.signal(signal.SIGSTOP)
    await deployment.act(rng, 300)
    await wait_until(lambda: has_role(second, "active"), timeout_s=20, what="the standby to take over")
    await deployment.until_published()
    first.signal(signal.SIGCONT)
    await deployment.act(rng, 300)
    top = await deployment.until_published()
    await wait_until(lambda: has_role(first, "standby"), timeout_s=20, what="the thawed worker to stand by")
    assert await deployment.scores() == dict(deployment.expected)
    await assert_top_is_exact(deployment, top)
    second.signal(signal.SIGTERM)
    assert await second.ended() == 0
    await wait_until(lambda: has_role(first, "active"), timeout_s=20, what="the first one to take over again")
    between = await deployment.top()
    assert between is not None
    await deployment.act(rng, 100)
    top = await deployment.until_published()
    assert top.order > between.order, "the merger would take it for an older one"
    await assert_top_is_exact(deployment, top)


async def test_hidden_user_leaves_the_top_and_comes_back_with_what_was_earned(deployment: Deployment) -> None:
    await deployment.start("w1")
    for number in range(8):
        await deployment.send(action(f"u{number}", 10 * (number + 1)))
    top = await deployment.until_published()
    assert [row.user_id for row in top.boards[0].rows] == ["u7", "u6", "u5", "u4", "u3"]
    moderation = {"v": 1, "user_id": UserId("u7"), "received_at": 0, "by": "m", "reason": "r"}
    await deployment.send(HideRecord(id=ActionId("h"), **moderation))  # type: ignore[arg-type]
    await deployment.send(action("u7", 1))
    top = await deployment.until_published()
    assert [row.user_id for row in top.boards[0].rows] == ["u6", "u5", "u4", "u3", "u2"]
    await deployment.send(UnhideRecord(id=ActionId("u"), **moderation))  # type: ignore[arg-type]
    top = await deployment.until_published()
    assert [(row.user_id, row.score) for row in top.boards[0].rows][:2] == [("u7", 81), ("u6", 70)]


async def test_cache_away_stops_no_score_and_gets_the_newest_when_back(deployment: Deployment) -> None:
    rng = random.Random(4)
    await deployment.start("w1")
    await deployment.act(rng, 50)
    before = await deployment.until_published()
    await deployment.cache.flushall()
    top = await deployment.until_published()
    assert top.order > before.order


async def test_partition_full_of_rubbish_halts_and_the_others_go_on(deployment: Deployment) -> None:
    """Nothing more is diverted, nothing is skipped: the offset stands before the batch that would be."""
    worker = await deployment.start("w1")
    rubbish = Partition(0)
    for _ in range(1_500):
        await deployment.send_bytes(rubbish, b"k", value=b"rubbish")
    await deployment.producer.flush()

    async def is_halted() -> bool:
        detail = await worker.ready()
        return detail is not None and str(rubbish) in detail.get("halted", {})

    await wait_until(is_halted, timeout_s=30, what="the partition to halt")

    async def is_told() -> bool:
        return 'shardboard_partitions_halted{shard="s1"} 1.0' in await worker.metrics()

    await wait_until(is_told, what="the metric to tell it")
    standing = int(await deployment.redis.hget(redis_keys.progress(rubbish), "next_offset") or 0)
    assert standing <= 1_000
    user = next(f"u{n}" for n in range(100) if partition_of(UserId(f"u{n}"), PARTITIONS) != rubbish)
    await deployment.send(action(user, 7))
    await deployment.producer.flush()

    async def is_counted() -> bool:
        return (await deployment.scores()).get(user) == 7

    await wait_until(is_counted, timeout_s=20, what="another partition to go on")
    assert int(await deployment.redis.hget(redis_keys.progress(rubbish), "next_offset") or 0) == standing
    detail = await worker.ready()
    assert detail is not None
    assert detail["status"] == "not ready"


async def test_another_log_is_refused(deployment: Deployment) -> None:
    """The stored last record differs from the log's: the partition is not served, the worker says which record and what
    would count this log; the other partitions go on."""
    worker = await deployment.start("w1")
    await deployment.send(action("a", 1))
    await deployment.until_published()
    await worker.kill()
    partition = partition_of(UserId("a"), PARTITIONS)
    await deployment.redis.hset(redis_keys.progress(partition), "last", "0:1:1")
    refusing = await deployment.start("w2")

    async def is_refused() -> bool:
        detail = await refusing.ready()
        return detail is not None and str(partition) in detail.get("refused", {})

    await wait_until(is_refused, timeout_s=30, what="the partition to be refused")
    detail = await refusing.ready()
    assert detail is not None
    assert detail["status"] == "not ready"
    assert "the record applied last was 0:1:1" in detail["refused"][str(partition)]
    assert "shardboard restore --from log" in detail["refused"][str(partition)]
    assert len(detail["partitions"]) == PARTITIONS - 1
    assert await deployment.redis.hget(redis_keys.progress(partition), "last") == b"0:1:1"


async def test_redis_of_another_deployment_is_refused_with_both_values(deployment: Deployment) -> None:
    await deployment.redis.hset(redis_keys.CLUSTER, mapping={"deployment": "other", "partitions": "9"})
    worker = await deployment.start("w1")
    assert await worker.ended(within_s=30) == 3
    assert "partitions is '9' there, '6' here" in worker.log


async def test_redis_that_evicts_is_refused(deployment: Deployment) -> None:
    await deployment.redis.config_set("maxmemory-policy", "allkeys-lru")
    worker = await deployment.start("w1")
    assert await worker.ended(within_s=30) == 3
    assert "must be noeviction" in worker.log


async def has_role(worker: WorkerProcess, role: str) -> bool:
    detail = await worker.ready()
    return detail is not None and detail["role"] == role and detail["status"] == "ready"


async def assert_top_is_exact(deployment: Deployment, top: ShardTop) -> None:
    """Each board's rows are the best by the total order, from Redis's own scores and times."""
    for board in top.boards:
        rows: list[TopRow] = []
        for partition in range(PARTITIONS):
            p = Partition(partition)
            times = await deployment.redis.hgetall(redis_keys.scored_at(p, board.period))
            pairs: list[Any] = await deployment.redis.zrange(redis_keys.scores(p, board.period), 0, -1, withscores=True)
            rows += [TopRow(UserId(u.decode()), int(score), int(times[u]), p) for u, score in pairs]  # type: ignore[arg-type]
        assert [row[:4] for row in map(as_tuple, board.rows)] == [as_tuple(row)[:4] for row in top_rows(rows, TOP_ROWS)]
    assert [position.is_catching_up for position in top.positions] == [False] * PARTITIONS


def as_tuple(row: TopRow) -> tuple[Any, ...]:
    return (row.user_id, row.score, row.scored_at, row.partition, row.name)


async def assert_dead_letters(deployment: Deployment, bad: list[bytes | None]) -> None:
    async with AIOKafkaConsumer(
        deployment.settings["DEAD_TOPIC"],
        bootstrap_servers=deployment.settings["KAFKA"],
        auto_offset_reset="earliest",
    ) as consumer:
        letters = [await consumer.getone() for _ in bad]
    assert Counter(letter.value for letter in letters) == Counter(bad)
    for letter in letters:
        headers = {name: value.decode() for name, value in letter.headers}
        assert headers.keys() == {"reason", "topic", "partition", "offset"}
        assert headers["reason"]
        assert headers["topic"] == deployment.settings["ACTIONS_TOPIC"]
        assert letter.key == b"k"
