"""One producer on its own: what it hands back, and that it can be ended whatever Kafka does."""

import asyncio
import time

import pytest
from aiokafka.errors import KafkaError

from foundation.kafka_topics import create_topics
from foundation.settings import load_common
from gateway import kafka_producer
from gateway.kafka_producer import Producer
from gateway.settings import BODY_BYTES_MAX
from shardboard.embedded.ports import free_ports
from tests.integration.gateway.test_kafka_log import frozen
from tests.support.services import StartKafka

CLOSE_S_MAX = 12.0
"""A request on its way ends at its own timeout of 3 s, and the connections close after it."""


async def test_a_batch_s_answer_is_the_offset_of_its_first_record(gateway_env: dict[str, str]) -> None:
    topic = gateway_env["SHARDBOARD_ACTIONS_TOPIC"]
    producer = await Producer.connect(gateway_env["SHARDBOARD_KAFKA"], topic)
    assert producer.partitions == 4
    offsets = []
    for count in (3, 2):
        batch = producer.new_batch()
        for _ in range(count):
            assert batch.append(timestamp=None, key=b"k", value=b"v" * BODY_BYTES_MAX) is not None
        offsets.append((await (await producer.send(batch, 1))).offset)
    assert offsets == [0, 3]
    assert await producer.is_answered()
    await producer.close(flush_s=5)


async def test_nobody_there() -> None:
    (port,) = free_ports(1)
    with pytest.raises(KafkaError):
        await Producer.connect(f"127.0.0.1:{port}", "actions")


@pytest.mark.parametrize("kill_s", [kafka_producer._KILL_S_MAX, 0.01], ids=["timed-out", "still-on-its-way"])
async def test_a_producer_ends_though_its_batch_is_never_answered(
    start_kafka: StartKafka, monkeypatch: pytest.MonkeyPatch, kill_s: float
) -> None:
    """The future fails, so whoever watches it learns of it, and nothing is left running."""
    monkeypatch.setattr(kafka_producer, "_KILL_S_MAX", kill_s)
    kafka = await start_kafka("frozen")
    await create_topics(load_common({"SHARDBOARD_KAFKA": kafka.address}), partitions=1, replication=1)
    producer = await Producer.connect(kafka.address, "actions")
    async with frozen(kafka):
        batch = producer.new_batch()
        batch.append(timestamp=None, key=b"k", value=b"v")
        answer = await producer.send(batch, 0)
        assert not await producer.is_answered()
        start = time.monotonic()
        await producer.close(flush_s=0)
        assert time.monotonic() - start < CLOSE_S_MAX
        await asyncio.wait({answer}, timeout=1)
        with pytest.raises(KafkaError, match="cut off"):
            answer.result()
