"""The least that rebuilding from the log can take: a consumer that reads everything and decodes each record.
`python -m bench.baselines.consume_loop`, its plan on stdin, its findings on stdout."""

from time import perf_counter

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.apart import apart, as_process
from contracts.record import decode
from foundation.kafka_consumer import FETCH_BYTES_MAX, PARTITION_FETCH_BYTES_MAX

POLL_RECORDS = 10_000
"""As the worker's setting."""


class ConsumePlan(msgspec.Struct, frozen=True):
    """What is read."""

    kafka: str
    topic: str
    partitions: int
    records: int


class Consumed(msgspec.Struct, frozen=True):
    """How long it took, from the first poll to the last record."""

    seconds: float


async def consume(plan: ConsumePlan) -> Consumed:
    """The client as the worker has it."""
    topics = [TopicPartition(plan.topic, number) for number in range(plan.partitions)]
    async with AIOKafkaConsumer(
        bootstrap_servers=plan.kafka,
        fetch_max_bytes=FETCH_BYTES_MAX,
        max_partition_fetch_bytes=PARTITION_FETCH_BYTES_MAX,
    ) as consumer:
        consumer.assign(topics)
        for topic in topics:
            consumer.seek(topic, 0)
        began_s, count = perf_counter(), 0
        while count < plan.records:
            for records in (await consumer.getmany(timeout_ms=100, max_records=POLL_RECORDS)).values():
                for record in records:
                    decode(record.value)
                count += len(records)
        return Consumed(perf_counter() - began_s)


async def consume_apart(plan: ConsumePlan) -> Consumed:
    """In a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.baselines.consume_loop", plan, found=Consumed)


if __name__ == "__main__":
    as_process(ConsumePlan, consume)
