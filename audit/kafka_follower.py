"""Follows all partitions of the log, each just as far as is asked, for the auditor. No group, no commits."""

from collections.abc import Mapping
from typing import Any, Final

from aiokafka import TopicPartition

from contracts.ids import Offset, Partition
from foundation.kafka_consumer import log_consumer, read_begins, read_ends, stop_consumer

POLL_WAIT_MS: Final = 500


class LogFollower:
    """`start`, then `poll` again and again. Every method raises KafkaError."""

    def __init__(self, bootstrap: str, *, topic: str, partitions: int, records_max: int) -> None:
        """`records_max` bounds what one poll returns, and what is kept back of it."""
        self._topics = {Partition(number): TopicPartition(topic, number) for number in range(partitions)}
        self._records_max = records_max
        self._ahead: dict[Partition, list[Any]] = {}
        """Records beyond what was asked for."""
        self._consumer = log_consumer(bootstrap, fetch_wait_ms=POLL_WAIT_MS)

    async def start(self) -> dict[Partition, Offset]:
        """Connect, stand at the first record of each partition, and return where that is."""
        await self._consumer.start()
        wanted = list(self._topics.values())
        self._consumer.assign(wanted)
        # Until each is set explicitly, a position would be looked up, and there is no rule for that.
        for topic in wanted:
            self._consumer.seek(topic, 0)
        begins = await self.begins()
        for partition, topic in self._topics.items():
            self._consumer.seek(topic, begins[partition])
        return begins

    async def close(self) -> None:
        """May be called twice."""
        await stop_consumer(self._consumer)

    def drop(self, partition: Partition) -> None:
        """Read this partition no more."""
        self._ahead.pop(partition, None)
        self._consumer.pause(self._topics[partition])

    async def begins(self) -> dict[Partition, Offset]:
        """Where the log of each partition begins at the moment."""
        return await read_begins(self._consumer, self._topics.values())

    async def ends(self) -> dict[Partition, Offset]:
        """Where the log of each partition ends at the moment."""
        return await read_ends(self._consumer, self._topics.values())

    async def poll(self, targets: Mapping[Partition, Offset]) -> dict[Partition, list[Any]]:
        """Some of the next records before each target; nothing if none came within half a second."""
        asked = [partition for partition in targets if not self._ahead.get(partition)]
        if asked:
            wait_ms = POLL_WAIT_MS if len(asked) == len(targets) else 0
            polled = await self._consumer.getmany(
                *(self._topics[partition] for partition in asked), timeout_ms=wait_ms, max_records=self._records_max
            )
            for topic, records in polled.items():
                self._ahead[Partition(topic.partition)] = records
        taken: dict[Partition, list[Any]] = {}
        for partition, target in targets.items():
            records = self._ahead.get(partition, [])
            before = [record for record in records if record.offset < target]
            if before:
                taken[partition] = before
                self._ahead[partition] = records[len(before) :]
        return taken
