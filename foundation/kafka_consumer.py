"""Consumers of the log: what they all have in common, and their end, also while Kafka is away."""

import asyncio
from collections.abc import Collection
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from foundation.kafka_access import client_options

FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one answer of a broker: two of them, decoded, stay below 200 MB."""
PARTITION_FETCH_BYTES_MAX: Final = 1024 * 1024
"""As `max.message.bytes`: the largest record always fits."""
REQUEST_TIMEOUT_MS: Final = 10_000


def log_consumer(bootstrap: str, *, fetch_wait_ms: int, **more: Any) -> Any:
    """A consumer for one owner, which says from where it reads: it commits nothing by itself, and without a position it
    fails. `more` goes to the client, and may say otherwise.

    `fetch_wait_ms`: how long a broker holds an empty answer back; a new record ends the wait.
    """
    common = client_options(bootstrap) | {
        "enable_auto_commit": False,
        "auto_offset_reset": "none",
        "fetch_max_bytes": FETCH_BYTES_MAX,
        "max_partition_fetch_bytes": PARTITION_FETCH_BYTES_MAX,
        "fetch_max_wait_ms": fetch_wait_ms,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
    }
    return AIOKafkaConsumer(**(common | more))


async def start_consumer(consumer: Any) -> None:
    """Connect, or give back what was opened. Raises KafkaError."""
    try:
        await consumer.start()
    except BaseException:
        await stop_consumer(consumer)
        raise


async def read_ends(consumer: Any, topics: Collection[TopicPartition]) -> dict[Partition, Offset]:
    """Where the log of each of these partitions ends at the moment. Raises KafkaError."""
    # Asked for none, the client would ask for all.
    return _by_partition(await consumer.end_offsets(topics)) if topics else {}


async def read_begins(consumer: Any, topics: Collection[TopicPartition]) -> dict[Partition, Offset]:
    """Where the log of each of these partitions begins at the moment. Raises KafkaError."""
    return _by_partition(await consumer.beginning_offsets(topics)) if topics else {}


async def read_bounds(consumer: Any, topics: Collection[TopicPartition]) -> dict[Partition, LogBounds]:
    """What the log holds of these partitions at the moment. Raises KafkaError."""
    begins, ends = await asyncio.gather(read_begins(consumer, topics), read_ends(consumer, topics))
    return {partition: LogBounds(begin, ends[partition]) for partition, begin in begins.items()}


async def stop_consumer(consumer: Any) -> None:
    """Give its connections back; may be called twice. Raises CancelledError only when the caller is cancelled.

    aiokafka cancels its own fetches and then waits for them without expecting that. One that waits out a failure passes
    its CancelledError on, as if we were cancelled: the service would end without a word. What `stop` would have done
    after that is to close the client.
    """
    task = asyncio.current_task()
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        if task is None or task.cancelling():
            raise
        for fetch in consumer._fetcher._pending_tasks:  # noqa: SLF001
            fetch.cancel()
        await consumer._client.close()  # noqa: SLF001


def _by_partition(offsets: dict[TopicPartition, int]) -> dict[Partition, Offset]:
    return {Partition(topic.partition): Offset(offset) for topic, offset in offsets.items()}
