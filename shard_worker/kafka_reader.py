"""Reads the shard's partitions: assigned by hand, from offsets that Redis holds, never from what Kafka remembers.

Group offsets are committed only so that Kafka's own tools show the lag.
"""

import asyncio
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from contracts.ids import Offset, Partition
from contracts.progress import LastRecord
from foundation.kafka_access import client_options
from foundation.kafka_consumer import stop_consumer
from shard_worker.partition_state import LogBounds

FETCH_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one answer of a broker: two of them, decoded, stay below 200 MB."""
PARTITION_FETCH_BYTES_MAX: Final = 1024 * 1024
"""As `max.message.bytes`: the largest record always fits."""
FETCH_WAIT_MS: Final = 500
"""How long a broker holds an empty answer back; a new record ends the wait."""
REQUEST_TIMEOUT_MS: Final = 10_000
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
        self._consumer = AIOKafkaConsumer(
            **client_options(bootstrap),
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_bytes=FETCH_BYTES_MAX,
            max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        try:
            await self._consumer.start()
        except BaseException:
            await self.close()
            raise
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
        wanted = [self._topics[partition] for partition in partitions]
        if not wanted:  # the client would ask for all
            return {}
        begins, ends = await asyncio.gather(
            self._consumer.beginning_offsets(wanted), self._consumer.end_offsets(wanted)
        )
        return {Partition(topic.partition): LogBounds(Offset(begins[topic]), Offset(ends[topic])) for topic in wanted}

    async def end_offsets(self, partitions: Iterable[Partition]) -> dict[Partition, Offset]:
        """Where the log of each of these partitions ends at the moment. Raises KafkaError."""
        wanted = [self._topics[partition] for partition in partitions]
        ends = await self._consumer.end_offsets(wanted) if wanted else {}
        return {Partition(topic.partition): Offset(end) for topic, end in ends.items()}

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
                            found[Partition(topic.partition)] = _mark(records[0])
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


def _mark(record: Any) -> LastRecord:
    return LastRecord(record.offset, record.timestamp, zlib.crc32((record.key or b"") + (record.value or b"")))
