"""A consumer ends in order while Kafka is away, and whoever ends it is not cancelled by that."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from foundation.kafka_consumer import log_consumer, read_bounds, start_consumer, stop_consumer
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.support.services import StartKafka
from tests.support.wait import wait_until

TOPIC = "actions"


async def test_ending_a_consumer_while_kafka_is_away_cancels_nobody(
    start_kafka: StartKafka, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker dies, the consumer waits out the failure of a fetch, and in that moment it is ended."""
    server = await start_kafka("kafka")
    await create_topics(load_common({"SHARDBOARD_KAFKA": server.address}), partitions=1, replication=1)
    consumer = AIOKafkaConsumer(bootstrap_servers=server.address, retry_backoff_ms=5_000)
    await consumer.start()
    partition = TopicPartition(TOPIC, 0)
    consumer.assign([partition])
    await consumer.seek_to_beginning(partition)
    await consumer.getmany(timeout_ms=100)
    await server.stop(grace_s=0)
    await wait_until(lambda: "Failed fetch messages" in caplog.text, timeout_s=30, what="a failed fetch")
    await stop_consumer(consumer)
    await stop_consumer(consumer)


async def test_a_caller_that_is_cancelled_learns_of_it() -> None:
    class Slow:
        async def stop(self) -> None:
            await asyncio.get_running_loop().create_future()

    task = asyncio.ensure_future(stop_consumer(Slow()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_bounds_are_those_of_the_partitions_asked_for(kafka_address: str, unique_name: str) -> None:
    common = load_common({"SHARDBOARD_KAFKA": kafka_address, "SHARDBOARD_ACTIONS_TOPIC": unique_name})
    await create_topics(common, partitions=3, replication=1)
    async with AIOKafkaProducer(bootstrap_servers=kafka_address) as producer:
        for _ in range(5):
            await producer.send_and_wait(unique_name, b"value", partition=1)
    consumer = log_consumer(kafka_address, fetch_wait_ms=10)
    await start_consumer(consumer)
    one, two = TopicPartition(unique_name, 1), TopicPartition(unique_name, 2)
    filled, empty = LogBounds(Offset(0), Offset(5)), LogBounds(Offset(0), Offset(0))
    assert await read_bounds(consumer, [one, two]) == {Partition(1): filled, Partition(2): empty}
    assert await read_bounds(consumer, []) == {}
    consumer.assign([one])
    with pytest.raises(NoOffsetForPartitionError):
        await consumer.getmany(one, timeout_ms=5_000)
    await stop_consumer(consumer)


async def test_a_consumer_that_reaches_nobody_leaves_nothing_open() -> None:
    (port,) = free_ports(1)
    with pytest.raises(KafkaError):
        await start_consumer(log_consumer(f"{LOOPBACK}:{port}", fetch_wait_ms=10))
