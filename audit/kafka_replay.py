"""Reads partitions of the log one after the other, each from any offset up to any other, for `shardboard verify`."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.ids import Offset, Partition
from foundation.kafka_access import client_options
from foundation.kafka_consumer import stop_consumer

RECORDS_PER_POLL: Final = 5_000
"""Some 30 ms of counting between two looks at the clock; a few MB."""
FETCH_WAIT_MS: Final = 20
"""How long a broker holds an empty answer back. It answers a connection in order, so whatever is asked after the last
record of a partition waits for so long."""
REQUEST_TIMEOUT_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class LogBounds:
    """What the log holds of a partition: [begin, end)."""

    begin: Offset
    end: Offset


class LogReplay:
    """One consumer, without a group. `open` a partition, then `until` ever larger offsets."""

    def __init__(self, bootstrap: str, *, topic: str) -> None:
        self._topic = topic
        self._consumer = AIOKafkaConsumer(
            **client_options(bootstrap),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._partition: TopicPartition | None = None
        self._ahead: list[Any] = []
        """Records that were read and not yet asked for."""

    async def start(self) -> None:
        """Connect. Raises KafkaError."""
        try:
            await self._consumer.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """May be called twice."""
        await stop_consumer(self._consumer)

    async def bounds(self, partitions: Sequence[Partition]) -> Mapping[Partition, LogBounds]:
        """What the log holds at the moment. Raises KafkaError."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        begins = await self._consumer.beginning_offsets(wanted)
        ends = await self._consumer.end_offsets(wanted)
        return {Partition(t.partition): LogBounds(Offset(begins[t]), Offset(ends[t])) for t in wanted}

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
