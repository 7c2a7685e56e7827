"""What passing through Kafka costs alone, from a producer to a consumer in one process, at a constant rate.
`python -m bench.baselines.kafka_through`, plan on stdin, findings on stdout."""

import asyncio
import contextlib
from time import perf_counter

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.apart import as_process
from bench.baselines.produce_loop import LINGER_MS, ProducePlan
from bench.open_loop import DRAIN_S, Latencies, Tally, paced

NUMBER_BYTES = 8


async def through(plan: ProducePlan) -> Latencies:
    """Each record carries its number, and is seen when the consumer returns it."""
    tally, due_s, done = Tally(), list[float](), asyncio.Event()
    partitions = [TopicPartition(plan.topic, number) for number in range(plan.partitions)]
    wanted = max(1, int(plan.rate_per_s * plan.seconds))
    async with (
        AIOKafkaProducer(
            bootstrap_servers=plan.kafka, acks="all", enable_idempotence=True, linger_ms=LINGER_MS
        ) as producer,
        AIOKafkaConsumer(bootstrap_servers=plan.kafka) as consumer,
    ):
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)

        async def consume() -> None:
            while len(tally.latencies_s) < wanted:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    now_s = perf_counter()
                    numbers = (int.from_bytes(record.value[:NUMBER_BYTES], "big") for record in records)
                    tally.latencies_s += [now_s - due_s[number] for number in numbers]
            done.set()

        sending = set[asyncio.Task[object]]()

        def begin(number: int, due: float) -> None:
            due_s.append(due)
            tally.late_s.append(perf_counter() - due)
            value = number.to_bytes(NUMBER_BYTES, "big") + plan.values[number % len(plan.values)]
            partition = number % plan.partitions
            task = asyncio.create_task(producer.send(plan.topic, value, partition=partition), name="record")
            sending.add(task)
            task.add_done_callback(sending.discard)

        consuming = asyncio.create_task(consume(), name="consume")
        try:
            begun = await paced(plan.rate_per_s, plan.seconds, begin=begin)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), DRAIN_S)
        finally:
            consuming.cancel()
            await asyncio.gather(consuming, return_exceptions=True)
    return tally.found(begun)


if __name__ == "__main__":
    as_process(ProducePlan, through)
