"""Actions written straight into a deployment's log: all at once, or at a constant rate by a process of its own
(`python -m bench.log_maker`, plan on stdin, findings on stdout)."""

import asyncio
import sys
from collections.abc import Iterable
from time import perf_counter

import msgspec
import uvloop
from aiokafka import AIOKafkaProducer

from bench.actions import ZIPF, LogWriter, Poll, people
from bench.baselines.produce_loop import LINGER_MS
from bench.open_loop import DRAIN_S, Latencies, Tally, apart, paced
from contracts.clock import now_ms
from contracts.ids import UserId
from contracts.partition_key import partition_of

BATCH_BYTES = 256 * 1024


class FeedPlan(msgspec.Struct, frozen=True):
    """Who acts, and how often."""

    kafka: str
    topic: str
    partitions: int
    rate_per_s: float
    seconds: float
    users: int
    distribution: str
    seed: int


async def fill_log(kafka: str, topic: str, *, polls: Iterable[Poll]) -> int:
    """Write all records, in batches as the gateway's; return how many. The topic has the partitions of the polls."""
    count = 0
    async with AIOKafkaProducer(
        bootstrap_servers=kafka, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    ) as producer:
        for poll in polls:
            sent = []
            for partition, records in poll.items():
                batch = producer.create_batch()
                for record in records:
                    if batch.append(key=record.key, value=record.value, timestamp=None) is None:
                        sent.append(await producer.send_batch(batch, topic, partition=partition))
                        batch = producer.create_batch()
                        batch.append(key=record.key, value=record.value, timestamp=None)
                sent.append(await producer.send_batch(batch, topic, partition=partition))
                count += len(records)
            await asyncio.gather(*sent)
    return count


async def feed(plan: FeedPlan) -> Latencies:
    """At a constant rate; a latency is the time to the acknowledgement."""
    total = max(1, int(plan.rate_per_s * plan.seconds))
    writer = LogWriter(people(plan.users, zipf=ZIPF[plan.distribution]), seed=plan.seed, begin_ms=now_ms())
    (poll,) = writer.polls(total, poll_records=total)
    records = [(record.key, record.value) for some in poll.values() for record in some]
    partitions = {key: partition_of(UserId(key.decode()), plan.partitions) for key, _ in records}
    tally, waiting = Tally(), set[asyncio.Task[None]]()
    async with AIOKafkaProducer(
        bootstrap_servers=plan.kafka, acks="all", enable_idempotence=True, linger_ms=LINGER_MS
    ) as producer:

        async def one(number: int, due: float) -> None:
            key, value = records[number]
            await producer.send_and_wait(plan.topic, value, key=key, partition=partitions[key])
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


async def feed_apart(plan: FeedPlan) -> Latencies:
    """In a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.log_maker", msgspec.json.encode(plan), found=Latencies)


def main() -> int:
    """The process."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=FeedPlan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(feed(plan))
    sys.stdout.write(msgspec.json.encode(found).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
