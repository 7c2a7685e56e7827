"""Reads partitions of the log one after the other, each from any offset up to any other, for `shardboard verify`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

from aiokafka import TopicPartition

from contracts.ids import Offset, Partition
from contracts.log import LogBounds
from foundation.kafka_consumer import log_consumer, read_bounds, start_consumer, stop_consumer

RECORDS_PER_POLL: Final = 5_000
"""Some 30 ms of counting between two looks at the clock; a few MB."""
FETCH_WAIT_MS: Final = 20
"""How long a broker holds an empty answer back. It answers a connection in order, so whatever is asked after the last
record of a partition waits for so long."""


class LogReplay:
    """One consumer, without a group. `open` a partition, then `until` ever larger offsets."""

    def __init__(self, bootstrap: str, *, topic: str) -> None:
        self._topic = topic
        self._consumer = log_consumer(bootstrap, fetch_wait_ms=FETCH_WAIT_MS)
        self._partition: TopicPartition | None = None
        self._ahead: list[Any] = []
        """Records that were read and not yet asked for."""

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        await start_consumer(self._consumer)

    async def close(self) -> None:
        """May be called twice."""
        await stop_consumer(self._consumer)

    async def bounds(self, partitions: Sequence[Partition]) -> Mapping[Partition, LogBounds]:
        """What the log holds at the moment. Raises KafkaError."""
        return await read_bounds(self._consumer, [TopicPartition(self._topic, partition) for partition in partitions])

    async def find(self, partition: Partition, timestamp_ms: int) -> Offset | None:
        """The first offset appended at or after this time; None when there is none. Raises KafkaError."""
        wanted = TopicPartition(self._topic, partition)
        found = (await self._consumer.offsets_for_times({wanted: timestamp_ms}))[wanted]
        return None if found is None else Offset(found.offset)

    def open(self, partition: Partition, offset: Offset) -> None:
        """Go on with another partition."""
        self._partition, self._ahead = TopicPartition(self._topic, partition), []
        self._consumer.assign([self._partition])
        self._consumer.seek(self._partition, offset)

    async def until(self, offset: Offset) -> AsyncIterator[list[Any]]:
        """The records before `offset`, which must be in the log or at its end. Raises KafkaError."""
        assert self._partition is not None
        ahead, self._ahead = self._ahead, []
        while True:
            taken = [record for record in ahead if record.offset < offset]
            self._ahead = ahead[len(taken) :]
            if taken:
                yield taken
            if self._ahead or await self._consumer.position(self._partition) >= offset:
                return
            polled = await self._consumer.getmany(
                self._partition, timeout_ms=FETCH_WAIT_MS, max_records=RECORDS_PER_POLL
            )
            ahead = polled.get(self._partition, [])
