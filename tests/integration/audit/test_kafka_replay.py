"""Reading the log up to any offset on real Kafka, partition after partition."""

from aiokafka import AIOKafkaProducer

from audit.kafka_replay import LogReplay
from contracts.ids import Offset, Partition
from foundation.kafka_topics import create_topics
from foundation.settings import load_common


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
