"""Reads and writes the topics of dead letters and of marks.

A log cannot change a record, so what was done about a letter stands in a compacted topic of its own beside it: it is as
durable as the letters, needs no other store, and is gone for no reason but its deletion."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from audit.kafka_replay import LogReplay
from contracts.exit_codes import ExitCode
from contracts.ids import Offset, Partition
from contracts.topics import marks_topic
from foundation.kafka_access import client_options
from foundation.kafka_topics import create_marks_topic, describe_topic
from foundation.settings import CommonSettings
from shardboard.command_error import CommandError
from shardboard.dead.letters import Letter, Mark, read_letter, read_marks

ONLY: Final = Partition(0)
REQUEST_TIMEOUT_MS: Final = 10_000


class DeadBox:
    """An async context manager. Every method raises KafkaError."""

    def __init__(self, common: CommonSettings) -> None:
        self._common = common
        self._marks_topic = marks_topic(common.dead_topic)
        self.marks: dict[Offset, Mark] = {}
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Raises CommandError when there is no topic of dead letters as the engine makes it."""
        topic = self._common.dead_topic
        facts = await describe_topic(self._common.kafka, topic)
        if facts is None:
            raise CommandError(ExitCode.REFUSED, f"Kafka at {self._common.kafka} has no topic {topic!r}")
        if facts.partitions != 1:
            raise CommandError(
                ExitCode.REFUSED, f"topic {topic!r} has {facts.partitions} partitions; letters are numbered in one"
            )
        if await describe_topic(self._common.kafka, self._marks_topic) is not None:
            self.marks = read_marks([record async for record in _records(self._common.kafka, self._marks_topic)])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._producer is not None:
            await self._producer.stop()

    async def letters(self) -> AsyncIterator[Letter]:
        """All letters there are, oldest first."""
        async for record in _records(self._common.kafka, self._common.dead_topic):
            yield read_letter(record, self.marks)

    async def letter(self, number: int) -> Letter:
        """One letter. Raises CommandError when there is none of this number."""
        found = [record async for record in _records(self._common.kafka, self._common.dead_topic, only=number)]
        if found:
            return read_letter(found[0], self.marks)
        raise CommandError(
            ExitCode.REFUSED, f"there is no dead letter {number}: `shardboard dead list --state all` shows all"
        )

    async def mark(self, letter: Letter, mark: Mark) -> None:
        """Returns when Kafka has acknowledged the mark."""
        producer = await self._started()
        key = str(letter.number).encode()
        await producer.send_and_wait(self._marks_topic, msgspec.json.encode(mark), key=key, partition=ONLY)
        self.marks[letter.number] = mark

    async def send(self, letter: Letter) -> tuple[Partition, Offset]:
        """Append the letter's own bytes to the topic of actions; where they are then."""
        producer = await self._started()
        sent = await producer.send_and_wait(self._common.actions_topic, letter.value, key=letter.key)
        return Partition(sent.partition), Offset(sent.offset)

    async def delete_before(self, number: int) -> int:
        """Delete all letters below this number for good; the lowest number that is left."""
        admin = AIOKafkaAdminClient(
            **client_options(self._common.kafka), request_timeout_ms=REQUEST_TIMEOUT_MS, client_id="shardboard-dead"
        )
        topic = TopicPartition(self._common.dead_topic, ONLY)
        try:
            await admin.start()
            left = await admin.delete_records({topic: RecordsToDelete(before_offset=number)})
        finally:
            await admin.close()
        return int(left[topic])

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            await create_marks_topic(self._common, self._marks_topic)
            self._producer = AIOKafkaProducer(
                **client_options(self._common.kafka),
                acks="all",
                enable_idempotence=True,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
            )
            await self._producer.start()
        return self._producer


async def _records(kafka: str, topic: str, *, only: int | None = None) -> AsyncIterator[Any]:
    """Every record of a topic of one partition, up to its end now; with `only` just that offset, if it is there."""
    log = LogReplay(kafka, topic=topic)
    try:
        await log.start()
        bounds = (await log.bounds([ONLY]))[ONLY]
        begin, end = bounds.begin, bounds.end
        if only is not None:
            if not begin <= only < end:
                return
            begin, end = Offset(only), Offset(only + 1)
        log.open(ONLY, begin)
        async for records in log.until(end):
            for record in records:
                yield record
    finally:
        await log.close()
