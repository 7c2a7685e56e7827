"""What Kafka and its client cost alone: records of an action's size, at a constant rate, in batches of a few ms, each
waited for. `python -m bench.baselines.produce_loop`, its plan on stdin, its findings on stdout."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaProducer

from bench.apart import apart, as_process
from bench.open_loop import DRAIN_S, Latencies, Tally, paced

LINGER_MS = 2
"""As the gateway gathers."""


class ProducePlan(msgspec.Struct, frozen=True):
    """What is sent: these values in turn."""

    kafka: str
    topic: str
    rate_per_s: float
    seconds: float
    partitions: int
    values: list[bytes]


class Sent(NamedTuple):
    """One record, and where it goes."""

    partition: int
    key: bytes | None
    value: bytes


async def produce(plan: ProducePlan) -> Latencies:
    """Run it."""
    values, partitions = plan.values, plan.partitions
    return await send_paced(
        plan.kafka,
        plan.topic,
        rate_per_s=plan.rate_per_s,
        seconds=plan.seconds,
        record=lambda number: Sent(number % partitions, None, values[number % len(values)]),
    )


async def send_paced(
    kafka: str, topic: str, *, rate_per_s: float, seconds: float, record: Callable[[int], Sent]
) -> Latencies:
    """`record(n)` is the nth to be sent; a latency is the time from when it was due to the acknowledgement."""
    tally, waiting = Tally(), set[asyncio.Task[None]]()
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, linger_ms=LINGER_MS
    ) as producer:

        async def one(number: int, due: float) -> None:
            tally.late_s.append(perf_counter() - due)
            partition, key, value = record(number)
            await producer.send_and_wait(topic, value, key=key, partition=partition)
            tally.latencies_s.append(perf_counter() - due)

        def begin(number: int, due: float) -> None:
            task = asyncio.create_task(one(number, due), name="record")
            waiting.add(task)
            task.add_done_callback(waiting.discard)

        await producer.partitions_for(topic)
        begun = await paced(rate_per_s, seconds, begin=begin)
        if waiting:
            await asyncio.wait(waiting, timeout=DRAIN_S)
    return tally.found(begun)


async def produce_apart(plan: ProducePlan) -> Latencies:
    """Run it in a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.baselines.produce_loop", plan, found=Latencies)


if __name__ == "__main__":
    as_process(ProducePlan, produce)
