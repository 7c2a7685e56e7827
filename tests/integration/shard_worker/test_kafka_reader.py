"""The worker's end of a real Kafka: positions are those of Redis, whatever the group has committed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from contracts.progress import LastRecord
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from shard_worker.kafka_reader import KafkaReader

P, Q = Partition(0), Partition(1)
RECORDS = 4
READ_S_MAX = 20


class Ground:
    """A topic of two partitions; partition 0 has RECORDS records."""

    def __init__(self, address: str, topic: str) -> None:
        self.address = address
        self.topic = topic
        self.ending = AsyncExitStack()

    async def reader(self) -> KafkaReader:
        """Every one is of the same group."""
        reader = KafkaReader(self.address, topic=self.topic, group=self.topic, partitions=[P, Q])
        await reader.start()
        self.ending.push_async_callback(reader.close)
        return reader


@pytest.fixture
async def ground(kafka_address: str, unique_name: str) -> AsyncIterator[Ground]:
    environ = {"KAFKA": kafka_address, "ACTIONS_TOPIC": unique_name, "DEAD_TOPIC": f"{unique_name}.dead"}
    common = load_common({f"SHARDBOARD_{name}": value for name, value in environ.items()})
    await create_topics(common, partitions=2, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_address) as producer:
        for n in range(RECORDS):
            await producer.send_and_wait(unique_name, b"%d" % n, key=b"k", partition=P)
    ground = Ground(kafka_address, unique_name)
    async with ground.ending:
        yield ground


async def read(reader: KafkaReader, count: int) -> list[int]:
    """Offsets of the next `count` records of partition 0."""
    offsets: list[int] = []
    async with asyncio.timeout(READ_S_MAX):
        while len(offsets) < count:
            polled: dict[Partition, list[Any]] = await reader.poll(wait_s=0.1, records_max=100)
            assert polled.keys() <= {P}
            offsets += [record.offset for record in polled.get(P, [])]
    return offsets


async def test_reads_from_where_it_is_told_whatever_is_committed(ground: Ground) -> None:
    first = await ground.reader()
    first.follow(P, Offset(2))
    assert await read(first, 2) == [2, 3]
    await first.commit({P: Offset(3)})
    second = await ground.reader()
    assert await second.poll(wait_s=0.2, records_max=100) == {}, "nothing is read before it is followed"
    second.follow(P, Offset(1))
    assert await read(second, 3) == [1, 2, 3]
    second.follow(P, Offset(0))
    assert await read(second, 4) == [0, 1, 2, 3], "back again: the server's state may go back"


async def test_bounds_are_those_of_the_log(ground: Ground) -> None:
    reader = await ground.reader()
    assert await reader.bounds([P, Q]) == {P: LogBounds(Offset(0), Offset(RECORDS)), Q: LogBounds(Offset(0), Offset(0))}
    assert await reader.end_offsets([P, Q]) == {P: RECORDS, Q: 0}
    assert (await reader.bounds([Q])).keys() == {Q}
    assert (await reader.bounds([]), await reader.end_offsets([])) == ({}, {})


async def test_finds_the_record_at_an_offset_and_goes_on_from_anywhere(ground: Ground) -> None:
    reader = await ground.reader()
    found = await reader.find({P: Offset(2)})
    assert found.keys() == {P}
    assert isinstance(found[P], LastRecord)
    assert found[P].offset == 2
    assert await reader.poll(wait_s=0.2, records_max=100) == {}, "what was looked at is not followed"
    reader.follow(P, Offset(3))
    assert await read(reader, 1) == [3]


async def test_committing_nothing_is_nothing(ground: Ground) -> None:
    reader = await ground.reader()
    await reader.commit({})
