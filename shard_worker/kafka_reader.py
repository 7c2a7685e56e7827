"""Reads the shard's partitions: assigned by hand, from offsets that Redis holds, never from what Kafka remembers.

Group offsets are committed only so that Kafka's own tools show the lag.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from contracts.progress import LastRecord
from foundation.kafka_consumer import log_consumer, read_bounds, read_ends, start_consumer, stop_consumer

FETCH_WAIT_MS: Final = 500
COMMIT_S_MAX: Final = 2.0
"""The client would try for as long as Kafka is away; the caller watches over more than this."""
FIND_S_MAX: Final = 10.0
"""For finding the last applied records again at start."""


class LogNotFound(KafkaError):  # type: ignore[misc]
    """A record that the log's bounds promise did not come: the broker is slow, or away."""


class KafkaReader:
    """One consumer. It is assigned all partitions that it may ever be asked for, once, and fetches only those that are
    followed: the client replaces its whole assignment, positions and all, at every change."""

    def __init__(self, bootstrap: str, *, topic: str, group: str | None, partitions: Iterable[Partition]) -> None:
        self._topics = {partition: TopicPartition(topic, partition) for partition in partitions}
        self._consumer = log_consumer(bootstrap, fetch_wait_ms=FETCH_WAIT_MS, group_id=group)

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        await start_consumer(self._consumer)
        self._consumer.assign(list(self._topics.values()))
        # Until each is set explicitly, a position falls back to a committed one, which nobody vouches for.
        for topic_partition in self._topics.values():
            self._consumer.seek(topic_partition, 0)
        self._consumer.pause(*self._topics.values())

    async def close(self) -> None:
        """May be called twice."""
        await stop_consumer(self._consumer)

    async def bounds(self, partitions: Iterable[Partition]) -> dict[Partition, LogBounds]:
        """What the log holds of these partitions at the moment. Raises KafkaError."""
        return await read_bounds(self._consumer, [self._topics[partition] for partition in partitions])

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, Offset]:
        """Where the log of each of these partitions ends at the moment. Raises KafkaError."""
        return await read_ends(self._consumer, [self._topics[partition] for partition in partitions])

    def follow(self, partition: Partition, offset: Offset) -> None:
        """Read this partition from `offset`."""
        self._consumer.seek(self._topics[partition], offset)
        self._consumer.resume(self._topics[partition])

    def leave(self, partition: Partition) -> None:
        """Read this partition no more, until it is followed again."""
        self._consumer.pause(self._topics[partition])

    async def poll(self, *, wait_s: float, records_max: int) -> dict[Partition, list[Any]]:
        """The next records, by partition, in log order; nothing when none came within `wait_s`. Raises KafkaError."""
        polled = await self._consumer.getmany(timeout_ms=int(wait_s * 1000), max_records=records_max)
        return {Partition(topic.partition): records for topic, records in polled.items()}

    async def find(self, offsets: Mapping[Partition, Offset]) -> dict[Partition, LastRecord]:
        """The records at these offsets. Every partition among them must be followed anew. Raises KafkaError."""
        missing = dict(offsets)
        found: dict[Partition, LastRecord] = {}
        for partition, offset in offsets.items():
            self.follow(partition, offset)
        try:
            async with asyncio.timeout(FIND_S_MAX):
                while missing:
                    wanted = [self._topics[partition] for partition in missing]
                    polled = await self._consumer.getmany(*wanted, timeout_ms=FETCH_WAIT_MS)
                    for topic, records in polled.items():
                        if records:
                            found[Partition(topic.partition)] = LastRecord.of(records[0])
                            del missing[Partition(topic.partition)]
                            self._consumer.pause(topic)
        except TimeoutError as error:
            raise LogNotFound(f"offsets {missing} did not come within {FIND_S_MAX} s") from error
        return found

    async def commit(self, offsets: Mapping[Partition, Offset]) -> None:
        """Show Kafka's tools how far the partitions are applied. Raises KafkaError."""
        if not offsets:  # every partition is lost or waits; the client refuses to commit nothing
            return
        shown = {self._topics[partition]: offset for partition, offset in offsets.items()}
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                await self._consumer.commit(shown)
        except TimeoutError as error:
            raise KafkaTimeoutError(f"no answer within {COMMIT_S_MAX} s") from error
