"""A consumer ends in order while Kafka is away, and whoever ends it is not cancelled by that."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from foundation.kafka_consumer import stop_consumer
from foundation.kafka_topics import create_topics
from foundation.settings import load_common
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
