"""A member of the consumer group on a real Kafka: positions are ours, what belongs to others is never used."""

import asyncio
import zlib
from contextlib import AsyncExitStack
from typing import Any

import pytest

from archiver.kafka_reader import KafkaReader
from contracts.ids import Offset, Partition
from contracts.progress import LastRecord
from foundation.service import Refused
from tests.integration.archiver.conftest import PARTITIONS, Ground
from tests.support.wait import wait_until

WAIT_S = 40
READ_S_MAX = 20
P = Partition(0)


async def started(ground: Ground, ending: AsyncExitStack, *, group: str = "group") -> KafkaReader:
    reader = KafkaReader(
        ground.environ["SHARDBOARD_KAFKA"], topic=ground.topic, group=ground.topic + group, partitions=PARTITIONS
    )
    await reader.start()
    ending.push_async_callback(reader.close)
    return reader


async def assigned(reader: KafkaReader) -> set[Partition]:
    found: list[set[Partition]] = []

    def is_assigned() -> bool:
        partitions = reader.take_assignment()
        if partitions is not None:
            found.append(partitions)
        return partitions is not None

    await wait_until(is_assigned, timeout_s=WAIT_S, what="an assignment")
    return found[0]


async def read(reader: KafkaReader, count: int) -> list[int]:
    """Offsets of the next `count` records of partition 0."""
    return [record.offset for record in await read_records(reader, count)]


async def read_records(reader: KafkaReader, count: int) -> list[Any]:
    records: list[Any] = []
    async with asyncio.timeout(READ_S_MAX):
        while len(records) < count:
            records += (await reader.poll(wait_s=0.1, records_max=100)).get(P, [])
    return records


async def test_reads_from_where_it_is_told_whatever_is_committed(ground: Ground) -> None:
    await ground.send([b"0", b"1", b"2", b"3"])
    async with AsyncExitStack() as ending:
        reader = await started(ground, ending)
        assert await assigned(reader) == set(range(PARTITIONS))
        assert await reader.poll(wait_s=0.2, records_max=10) == {}
        reader.follow(P, Offset(2), last=None)
        assert await read(reader, 2) == [2, 3]
        await reader.commit({P: Offset(4)})
        await reader.commit({})
        reader.follow(P, Offset(1), last=None)
        assert await read(reader, 3) == [1, 2, 3]
        assert (await reader.end_offsets())[P] == 4
        assert await reader.begin_offsets([P]) == {P: 0}


async def test_what_comes_after_a_rebalance_is_used_only_once_it_is_followed(ground: Ground) -> None:
    async with AsyncExitStack() as ending:
        first = await started(ground, ending)
        await assigned(first)
        for partition in range(PARTITIONS):
            first.follow(Partition(partition), Offset(0), last=None)
        second = await started(ground, ending)
        await ground.send([b"0"])
        await wait_until(lambda: first.has_changed and second.has_changed, timeout_s=WAIT_S, what="the rebalance")
        assert await first.poll(wait_s=0.1, records_max=10) == {}
        shares = [await assigned(first), await assigned(second)]
        assert shares[0] | shares[1] == set(range(PARTITIONS))
        owner = first if P in shares[0] else second
        assert await owner.poll(wait_s=0.2, records_max=10) == {}
        owner.follow(P, Offset(0), last=None)
        assert await read(owner, 1) == [0]


async def test_last_archived_record_is_compared_and_not_taken_again(ground: Ground) -> None:
    await ground.send([b"0", b"1", b"2"])
    async with AsyncExitStack() as ending:
        reader = await started(ground, ending)
        await assigned(reader)
        reader.follow(P, Offset(0), last=None)
        first, *_ = await read_records(reader, 3)
        last = LastRecord(0, first.timestamp, zlib.crc32(b"0"))
        reader.follow(P, Offset(1), last=last)
        assert await read(reader, 2) == [1, 2]


async def test_last_archived_record_must_be_the_same(ground: Ground) -> None:
    await ground.send([b"0", b"1"])
    async with AsyncExitStack() as ending:
        reader = await started(ground, ending)
        await assigned(reader)
        reader.follow(P, Offset(1), last=LastRecord(0, 0, 0))
        with pytest.raises(Refused, match="it is another log"):
            await read(reader, 1)
