"""Actions written straight into a deployment's log: all at once, or at a constant rate by a process of its own
(`python -m bench.log_maker`, plan on stdin, findings on stdout)."""

import asyncio
from collections.abc import Iterable

import msgspec
from aiokafka import AIOKafkaProducer

from bench.actions import ZIPF, LogWriter, Poll, people
from bench.apart import apart, as_process
from bench.baselines.produce_loop import Sent, send_paced
from bench.open_loop import Latencies
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

    def nth(number: int) -> Sent:
        key, value = records[number]
        return Sent(partitions[key], key, value)

    return await send_paced(plan.kafka, plan.topic, rate_per_s=plan.rate_per_s, seconds=plan.seconds, record=nth)


async def feed_apart(plan: FeedPlan) -> Latencies:
    """In a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.log_maker", plan, found=Latencies)


if __name__ == "__main__":
    as_process(FeedPlan, feed)
