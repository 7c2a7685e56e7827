"""What Kafka and its client cost alone: records of an action's size, at a constant rate, in batches of a few ms, each
waited for. `python -m bench.baselines.produce_loop`, its plan on stdin, its findings on stdout."""

import asyncio
import sys
from time import perf_counter

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from bench.open_loop import DRAIN_S, Latencies, Tally, apart, paced

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


async def produce(plan: ProducePlan) -> Latencies:
    """Run it."""
    tally, waiting = Tally(), set[asyncio.Task[None]]()
    async with AIOKafkaProducer(
        bootstrap_servers=plan.kafka, acks="all", enable_idempotence=True, linger_ms=LINGER_MS
    ) as producer:

        async def one(number: int, due: float) -> None:
            tally.late_s.append(perf_counter() - due)
            value, partition = plan.values[number % len(plan.values)], number % plan.partitions
            await producer.send_and_wait(plan.topic, value, partition=partition)
            tally.latencies_s.append(perf_counter() - due)

        def begin(number: int, due: float) -> None:
            task = asyncio.create_task(one(number, due), name="record")
            waiting.add(task)
            task.add_done_callback(waiting.discard)

        await producer.partitions_for(plan.topic)
        begun = await paced(plan.rate_per_s, plan.seconds, begin=begin)
        if waiting:
            await asyncio.wait(waiting, timeout=DRAIN_S)
    return tally.found(begun)


async def produce_apart(plan: ProducePlan) -> Latencies:
    """Run it in a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.baselines.produce_loop", msgspec.json.encode(plan), found=Latencies)


def main() -> int:
    """The process."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=ProducePlan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(produce(plan))
    sys.stdout.write(msgspec.json.encode(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
