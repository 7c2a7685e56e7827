"""Kafka: acknowledged records survive a SIGKILL, no topic is made by accident, trouble is told."""

import os
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from contracts.topics import ACTIONS_CONFIG
from shardboard.embedded.java import wheel_java
from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.ports import free_ports
from shardboard.embedded.server import StartFailed
from tests.support.services import StartKafka
from tests.support.wait import wait_until

RECORDS = 200


async def make_topic(address: str, name: str, *, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    try:
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, topic_configs=ACTIONS_CONFIG)
        await admin.create_topics([topic])
    finally:
        await admin.close()


async def produce(address: str, topic: str, *, start: int) -> None:
    """RECORDS numbered records, each acknowledged."""
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all", enable_idempotence=True) as producer:
        acks = [await producer.send(topic, b"%d" % n, partition=0) for n in range(start, start + RECORDS)]
        for ack in acks:
            await ack


async def consume(address: str, topic: str, *, n: int) -> list[int]:
    async with AIOKafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest") as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [int((await consumer.getone()).value) for _ in range(n)]


async def test_acknowledged_records_survive_sigkill_twice(start_kafka: StartKafka) -> None:
    server = await start_kafka("kafka")
    await make_topic(server.address, "actions", partitions=16)
    for round_number in range(2):
        await produce(server.address, "actions", start=round_number * RECORDS)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await wait_until(lambda: not server.is_running(), what="its end")
        await server.start()
        expected = list(range((round_number + 1) * RECORDS))
        assert await consume(server.address, "actions", n=len(expected)) == expected


async def test_a_clean_end_is_clean(start_kafka: StartKafka) -> None:
    server = await start_kafka("kafka")
    await make_topic(server.address, "actions", partitions=2)
    await produce(server.address, "actions", start=0)
    await server.stop(grace_s=60)
    assert (server.data_dir / "log" / ".kafka_cleanshutdown").exists()
    await server.start()
    assert await consume(server.address, "actions", n=RECORDS) == list(range(RECORDS))


async def test_no_topic_is_made_by_accident(kafka_address: str, unique_name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_address)
    await admin.start()
    try:
        (topic,) = await admin.describe_topics([unique_name])
        assert topic["error_code"] == UnknownTopicOrPartitionError.errno
        assert unique_name not in await admin.list_topics()
    finally:
        await admin.close()


async def test_a_half_formatted_folder_is_formatted_again_with_the_java_of_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shardboard.embedded.kafka.find_java", wheel_java)
    half_made = tmp_path / "log.half-made"
    half_made.mkdir()
    (half_made / "meta.properties").write_text("version=1\n")
    server = KafkaServer(tmp_path, port=free_ports(1)[0])
    await server.start()
    await server.stop()
    assert not half_made.exists()


async def test_a_foreign_log_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n")
    server = KafkaServer(tmp_path, port=free_ports(1)[0])
    with pytest.raises(StartFailed, match="kafka did not start: it ended with exit code 1") as failed:
        await server.start()
    assert "node" in str(failed.value)
    assert not server.is_running()
