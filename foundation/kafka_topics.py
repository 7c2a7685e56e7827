"""Topics as the engine needs them: creates them, describes them, and refuses those that would break its guarantees.

`up` and `shardboard topics create` create; every service calls `check_topic` before it serves.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaTimeoutError, TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from contracts.topics import ACTIONS_CONFIG, MARKS_CONFIG, PARTITIONS_MAX
from foundation.kafka_access import client_options
from foundation.service import Refused
from foundation.settings import CommonSettings

REPLICATION_MIN: Final = 3
"""In production: one broker may be lost and another be restarted without losing an acknowledged action."""
MIN_ISR_MIN: Final = 2
"""In production: acks=all then means two disks."""
REQUEST_TIMEOUT_MS: Final = 10_000
KNOWN_AGAIN_S: Final = 0.1
"""Brokers follow the controller within milliseconds; each look opens a connection."""
_OVERRIDE: Final = " (SHARDBOARD_ALLOW_UNSAFE_REPLICATION=1 accepts that a lost broker loses acknowledged actions)"
_UNKNOWN_TOPIC: Final = 3
_NONE: Final = 0
_READ: Final = ("message.timestamp.type", "min.insync.replicas")


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as Kafka reports it."""

    name: str
    partitions: int
    replication: int
    """Of the least replicated partition."""
    min_isr: int
    timestamp_type: str


async def create_topics(common: CommonSettings, *, partitions: int, replication: int) -> list[str]:
    """Create the topic of actions and that of dead letters; return those that did not exist. May be called again.

    Raises Refused when Kafka will not have them so, KafkaError when it does not answer.
    """
    min_isr = max(1, min(MIN_ISR_MIN, replication - 1))
    config = {**ACTIONS_CONFIG, "min.insync.replicas": str(min_isr)}
    wanted = [
        NewTopic(common.actions_topic, partitions, replication, topic_configs=config),
        NewTopic(common.dead_topic, 1, replication, topic_configs=config),
    ]
    return await _create(common.kafka, wanted)


async def create_marks_topic(common: CommonSettings, name: str) -> None:
    """Create the topic of marks, as well replicated as the dead letters that they are about. May be called again.

    Raises as `create_topics`, and Refused when there is no topic of dead letters.
    """
    letters = await describe_topic(common.kafka, common.dead_topic)
    if letters is None:
        raise Refused(f"Kafka at {common.kafka} has no topic {common.dead_topic!r}")
    config = {**MARKS_CONFIG, "min.insync.replicas": str(letters.min_isr)}
    await _create(common.kafka, [NewTopic(name, 1, letters.replication, topic_configs=config)])


async def _create(kafka: str, wanted: list[NewTopic]) -> list[str]:
    async with _admin(kafka) as admin:
        answer = await admin.create_topics(wanted)
    created: list[str] = []
    for name, code, *rest in answer.topic_errors:
        if code == _NONE:
            created.append(name)
        elif for_code(code) is not TopicAlreadyExistsError:
            raise Refused(f"Kafka did not create topic {name!r}: {rest[0] if rest else for_code(code).__name__}")
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            for name in created:
                await _until_known(kafka, name)
    except TimeoutError as error:
        raise KafkaTimeoutError(f"the brokers do not know {', '.join(created)}, which was created") from error
    return created


async def _until_known(kafka: str, topic: str) -> None:
    """The controller answers when it has a topic; the brokers hear of it a moment later."""
    while True:
        try:
            if await describe_topic(kafka, topic) is not None:
                return
        except UnknownTopicOrPartitionError:
            pass
        await asyncio.sleep(KNOWN_AGAIN_S)


async def describe_topic(bootstrap: str, topic: str) -> TopicFacts | None:
    """What Kafka says of a topic; None when there is none. Raises KafkaError."""
    async with _admin(bootstrap) as admin:
        (found,) = await admin.describe_topics([topic])
        if found["error_code"] == _UNKNOWN_TOPIC or not found["partitions"]:
            return None
        if found["error_code"] != _NONE:
            raise for_code(found["error_code"])(f"topic {topic!r}")
        config = await _config(admin, topic)
    return TopicFacts(
        name=topic,
        partitions=len(found["partitions"]),
        replication=min(len(partition["replicas"]) for partition in found["partitions"]),
        min_isr=int(config["min.insync.replicas"]),
        timestamp_type=config["message.timestamp.type"],
    )


async def check_topic(common: CommonSettings, topic: str, *, partitions: int | None = None) -> TopicFacts:
    """Return the topic's facts when it serves. `partitions` is the number that the deployment stored, if it did.

    Raises Refused when it is missing or breaks a guarantee, KafkaError when Kafka does not answer.
    """
    facts = await describe_topic(common.kafka, topic)
    if facts is None:
        raise Refused(f"Kafka at {common.kafka} has no topic {topic!r}: create it with `shardboard topics create`")
    faults = topic_faults(
        facts,
        partitions=partitions,
        must_replicate=common.is_production and not common.allow_unsafe_replication,
    )
    if faults:
        raise Refused("; ".join(faults))
    return facts


def topic_faults(facts: TopicFacts, *, partitions: int | None, must_replicate: bool) -> list[str]:
    """Name each property of a topic that breaks a guarantee, its value and the rule."""
    name, faults = f"topic {facts.name!r}", []
    if partitions is not None and facts.partitions != partitions:
        faults.append(
            f"{name} has {facts.partitions} partitions, the deployment was made with {partitions}: "
            "users would change partitions and count twice; the number is fixed for its life"
        )
    if facts.partitions > PARTITIONS_MAX:
        faults.append(f"{name} has {facts.partitions} partitions, at most {PARTITIONS_MAX}")
    if facts.timestamp_type != "LogAppendTime":
        faults.append(
            f"{name} has message.timestamp.type = {facts.timestamp_type}, it must be LogAppendTime: "
            "log time decides what counts"
        )
    if must_replicate and facts.replication < REPLICATION_MIN:
        faults.append(f"{name} has replication {facts.replication}, production needs ≥ {REPLICATION_MIN}{_OVERRIDE}")
    if must_replicate and facts.min_isr < MIN_ISR_MIN:
        faults.append(f"{name} has min.insync.replicas {facts.min_isr}, production needs ≥ {MIN_ISR_MIN}{_OVERRIDE}")
    return faults


async def _config(admin: AIOKafkaAdminClient, topic: str) -> dict[str, str]:
    wanted = ConfigResource(ConfigResourceType.TOPIC, topic, configs=dict.fromkeys(_READ, ""))
    (answer,) = await admin.describe_configs([wanted])
    (resource,) = answer.resources
    code, message, entries = resource[0], resource[1], resource[4]
    if code != _NONE:
        raise for_code(code)(message)
    return {entry[0]: entry[1] for entry in entries}


@asynccontextmanager
async def _admin(bootstrap: str) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(
        **client_options(bootstrap), request_timeout_ms=REQUEST_TIMEOUT_MS, client_id="shardboard-topics"
    )
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()
