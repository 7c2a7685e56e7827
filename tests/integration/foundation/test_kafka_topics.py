"""Topics on a real broker: made as the engine needs them, and refused where they would break a guarantee."""

from dataclasses import replace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from contracts.topics import ACTIONS_CONFIG, PARTITIONS_MAX
from foundation.kafka_topics import TopicFacts, check_topic, create_topics, describe_topic, topic_faults
from foundation.service import Refused
from foundation.settings import CommonSettings, load_common


@pytest.fixture
def common(kafka_address: str, unique_name: str) -> CommonSettings:
    return load_common(
        {
            "SHARDBOARD_KAFKA": kafka_address,
            "SHARDBOARD_ACTIONS_TOPIC": unique_name,
            "SHARDBOARD_DEAD_TOPIC": f"{unique_name}.dead",
        }
    )


async def test_created_topics_serve_and_are_created_once(common: CommonSettings) -> None:
    topics = [common.actions_topic, common.dead_topic]
    assert sorted(await create_topics(common, partitions=6, replication=1)) == topics
    assert await create_topics(common, partitions=6, replication=1) == []
    assert await check_topic(common, common.actions_topic, partitions=6) == TopicFacts(
        name=common.actions_topic, partitions=6, replication=1, min_isr=1, timestamp_type="LogAppendTime"
    )
    dead = await describe_topic(common.kafka, common.dead_topic)
    assert dead is not None
    assert dead.partitions == 1


async def test_a_created_topic_has_every_setting_of_the_contract(common: CommonSettings) -> None:
    await create_topics(common, partitions=1, replication=1)
    admin = AIOKafkaAdminClient(bootstrap_servers=common.kafka)
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, common.actions_topic)])
    finally:
        await admin.close()
    found = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    assert {name: found[name] for name in ACTIONS_CONFIG} == ACTIONS_CONFIG


async def test_a_missing_topic_is_refused_and_not_made_by_asking(common: CommonSettings) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="shardboard topics create"):
            await check_topic(common, common.actions_topic)


async def test_another_number_of_partitions_is_refused(common: CommonSettings) -> None:
    await create_topics(common, partitions=3, replication=1)
    with pytest.raises(Refused, match="has 3 partitions, the deployment was made with 4"):
        await check_topic(common, common.actions_topic, partitions=4)


async def test_the_clients_clock_in_the_log_is_refused(common: CommonSettings) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=common.kafka)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(common.actions_topic, 1, 1)])
    finally:
        await admin.close()
    with pytest.raises(Refused, match="must be LogAppendTime"):
        await check_topic(common, common.actions_topic)


async def test_production_refuses_what_one_broker_can_lose(common: CommonSettings) -> None:
    await create_topics(common, partitions=1, replication=1)
    production = replace(common, is_production=True)
    with pytest.raises(Refused, match=r"replication 1.*min\.insync\.replicas 1"):
        await check_topic(production, common.actions_topic)
    accepted = await check_topic(replace(production, allow_unsafe_replication=True), common.actions_topic)
    assert accepted.replication == 1


async def test_more_copies_than_brokers_are_refused_by_kafka(common: CommonSettings) -> None:
    with pytest.raises(Refused, match="Kafka did not create topic"):
        await create_topics(common, partitions=1, replication=7)


def test_replicated_topics_have_no_fault() -> None:
    facts = TopicFacts("actions", 64, replication=3, min_isr=2, timestamp_type="LogAppendTime")
    assert topic_faults(facts, partitions=64, must_replicate=True) == []
    too_many = replace(facts, partitions=PARTITIONS_MAX + 1)
    assert len(topic_faults(too_many, partitions=None, must_replicate=True)) == 1
