"""Claims on a real Kafka and Valkey: what is followed, and what is lost because the log does not continue it."""

import zlib
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaProducer
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Epoch, Offset, Partition, ShardId
from contracts.progress import LastRecord
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from shard_worker.kafka_reader import KafkaReader
from shard_worker.ownership import Right
from shard_worker.redis_claims import take
from shard_worker.redis_shard import ShardRedis
from shard_worker.restore_steps import Cause

P, EPOCH = Partition(0), Epoch(1)
RIGHTS = {P: Right(EPOCH, EPOCH)}


class Ground:
    """One partition whose log grows, and the worker that serves it so far."""

    def __init__(self, topic: str, *, redis: Redis, producer: AIOKafkaProducer, reader: KafkaReader) -> None:
        self.reader = reader
        self._redis = redis
        self._topic = topic
        self._producer = producer

    async def worker(self, writer: str) -> ShardRedis:
        """A worker process."""
        shard = ShardRedis(self._redis, shard=ShardId("s1"), writer=writer)
        await shard.load_functions()
        return shard

    async def append(self, value: bytes) -> LastRecord:
        """One record more."""
        sent = await self._producer.send_and_wait(self._topic, value, key=b"k", partition=P)
        return LastRecord(sent.offset, sent.timestamp, zlib.crc32(b"k" + value))

    async def apply_up_to(self, last: LastRecord) -> None:
        """As the worker that serves the partition does."""
        fields = {"next_offset": str(last.offset + 1), "log_ms": str(last.append_ms), "last": last.encode()}
        await self._redis.hset(redis_keys.progress(P), mapping=fields)  # type: ignore[arg-type]

    async def fence(self, epoch: Epoch) -> None:
        """As a mover does."""
        fields = {"epoch": str(epoch), "fenced": "1", "token": "t"}
        await self._redis.hset(redis_keys.progress(P), mapping=fields)  # type: ignore[arg-type]


@pytest.fixture
async def ground(kafka_address: str, unique_name: str, valkey: Redis) -> AsyncIterator[Ground]:
    environ = {"KAFKA": kafka_address, "ACTIONS_TOPIC": unique_name, "DEAD_TOPIC": f"{unique_name}.dead"}
    common = load_common({f"SHARDBOARD_{name}": value for name, value in environ.items()})
    await create_topics(common, partitions=1, replication=1)
    reader = KafkaReader(kafka_address, topic=unique_name, group=unique_name, partitions=[P])
    await reader.start()
    async with AIOKafkaProducer(bootstrap_servers=kafka_address) as producer:
        yield Ground(unique_name, redis=valkey, producer=producer, reader=reader)
    await reader.close()


async def test_what_another_worker_applied_since_we_looked_at_the_log_is_no_other_log(ground: Ground) -> None:
    """The log's end is read, more is appended and applied by the one who serves, and only then we claim."""
    first = await ground.worker("first")
    await first.claim(P, EPOCH, begin=Offset(0))
    await ground.apply_up_to(await ground.append(b"1"))
    bounds = await ground.reader.bounds([P])
    last = await ground.append(b"2")
    await ground.apply_up_to(last)
    taken = await take(await ground.worker("second"), ground.reader, rights=RIGHTS, bounds=bounds, may_begin=False)
    assert taken.lost == {}
    assert taken.claims[P].next_offset == last.offset + 1


async def test_a_position_beyond_the_log_is_another_log(ground: Ground) -> None:
    worker = await ground.worker("first")
    await worker.claim(P, EPOCH, begin=Offset(0))
    last = await ground.append(b"1")
    await ground.apply_up_to(LastRecord(last.offset + 5, last.append_ms, last.crc32))
    bounds = await ground.reader.bounds([P])
    taken = await take(worker, ground.reader, rights=RIGHTS, bounds=bounds, may_begin=False)
    assert (taken.claims, taken.lost[P].cause) == ({}, Cause.OTHER_LOG)


async def test_a_partition_without_state_begins_at_the_log_if_it_may_and_is_lost_otherwise(ground: Ground) -> None:
    worker, bounds = await ground.worker("first"), await ground.reader.bounds([P])
    lost = await take(worker, ground.reader, rights=RIGHTS, bounds=bounds, may_begin=False)
    assert lost.lost[P].cause is Cause.ABSENT
    begun = await take(worker, ground.reader, rights=RIGHTS, bounds=bounds, may_begin=True)
    assert begun.claims[P].next_offset == 0


async def test_what_was_left_here_before_another_shard_had_it_is_lost(ground: Ground) -> None:
    """The map gave the partition away and back: the state at the old epoch is behind, and may have been aborted."""
    worker = await ground.worker("first")
    await worker.claim(P, EPOCH, begin=Offset(0))
    await ground.apply_up_to(await ground.append(b"1"))
    bounds = await ground.reader.bounds([P])
    rights = {P: Right(epoch=Epoch(5), since=Epoch(4))}
    taken = await take(worker, ground.reader, rights=rights, bounds=bounds, may_begin=True)
    assert (taken.claims, taken.lost[P].cause) == ({}, Cause.LEFTOVER)
    back = {P: Right(epoch=Epoch(5), since=EPOCH)}
    assert (await take(worker, ground.reader, rights=back, bounds=bounds, may_begin=True)).claims.keys() == {P}


async def test_partition_that_is_fenced_or_given_away_waits(ground: Ground) -> None:
    worker = await ground.worker("first")
    await worker.claim(P, EPOCH, begin=Offset(0))
    bounds = await ground.reader.bounds([P])
    await ground.fence(Epoch(2))
    taken = await take(worker, ground.reader, rights=RIGHTS, bounds=bounds, may_begin=True)
    assert (taken.claims, taken.lost, taken.waiting) == ({}, {}, {P: "Ahead(epoch=2)"})
    moved = {P: Right(Epoch(2), EPOCH)}
    assert (await take(worker, ground.reader, rights=moved, bounds=bounds, may_begin=True)).waiting == {P: "Paused()"}
    aborted = {P: Right(Epoch(3), EPOCH)}
    assert (await take(worker, ground.reader, rights=aborted, bounds=bounds, may_begin=True)).claims.keys() == {P}
