"""Reading the log up to any offset on real Kafka, partition after partition."""

from aiokafka import AIOKafkaProducer

from audit.kafka_replay import LogReplay
from contracts.clock import monotonic_s
from contracts.ids import Offset, Partition
from foundation.kafka_topics import create_topics
from foundation.settings import load_common

QUESTIONS = 30
QUESTIONS_S_MAX = 5.0
"""On the busiest machine; with half a second for each they would take 15 s."""


async def fill(kafka: str, topic: str, *, records: int) -> None:
    names = {"KAFKA": kafka, "ACTIONS_TOPIC": topic, "DEAD_TOPIC": f"{topic}.dead"}
    common = load_common({f"SHARDBOARD_{name}": value for name, value in names.items()})
    await create_topics(common, partitions=2, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka) as producer:
        for number in range(records):
            for partition in (0, 1):
                await producer.send(topic, b"%d" % number, partition=partition)
        await producer.flush()


async def read(log: LogReplay, offset: int) -> list[int]:
    return [record.offset async for records in log.until(Offset(offset)) for record in records]


async def test_it_stops_at_each_offset_and_goes_on_from_there(kafka_address: str, unique_name: str) -> None:
    await fill(kafka_address, unique_name, records=100)
    log = LogReplay(kafka_address, topic=unique_name)
    await log.start()
    try:
        for partition in (Partition(0), Partition(1)):
            bounds = (await log.bounds([partition]))[partition]
            assert (bounds.begin, bounds.end) == (0, 100)
            log.open(partition, bounds.begin)
            assert await read(log, 10) == list(range(10))
            assert await read(log, 10) == []
            assert await read(log, 11) == [10]
            assert await read(log, 100) == list(range(11, 100))
            assert await log.find(partition, 0) == 0
            assert await log.find(partition, 2**42) is None
    finally:
        await log.close()


async def test_the_end_of_a_partition_holds_nothing_up(kafka_address: str, unique_name: str) -> None:
    """The consumer always has a fetch under way there, and each question queues behind it on the connection."""
    await fill(kafka_address, unique_name, records=1)
    log = LogReplay(kafka_address, topic=unique_name)
    await log.start()
    try:
        log.open(Partition(0), Offset(0))
        assert await read(log, 1) == [0]
        began_s = monotonic_s()
        for _ in range(QUESTIONS):
            assert (await log.bounds([Partition(0)]))[Partition(0)].end == 1
        assert monotonic_s() - began_s < QUESTIONS_S_MAX
    finally:
        await log.close()
