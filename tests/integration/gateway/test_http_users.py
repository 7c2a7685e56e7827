"""A profile's way into the log: the record that it becomes, and who may write it."""

from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts.record import ProfileRecord, decode
from tests.support.running_gateway import RunningGateway, token_for

MARKUP = "<img src=x onerror=alert(1)> \u202e & \"'"


async def put(gateway: RunningGateway, user: str, *, body: Any, token: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.http.put(f"{gateway.url}/users/{user}", headers=headers, json=body) as response:
        return response.status, await response.json(content_type=None)


async def record_at(kafka: str, topic: str, *, partition: int, offset: int) -> ProfileRecord:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        consumer.seek(place, offset)
        message = await consumer.getone(place)
        record = decode(message.value)
        assert isinstance(record, ProfileRecord)
        return record
    finally:
        await consumer.stop()


async def test_a_profile_is_in_the_log_as_it_was_given(
    gateway: RunningGateway, kafka_address: str, unique_name: str
) -> None:
    body = {"name": MARKUP, "metadata": {"team": "x"}}
    status, receipt = await put(gateway, "ada", body=body, token=token_for("ada"))
    assert (status, receipt["name"], receipt["metadata"]) == (200, MARKUP, {"team": "x"})
    record = await record_at(
        kafka_address, unique_name, partition=receipt["partition"], offset=receipt["offset"]
    )  # fmt: skip
    assert (record.user_id, record.name, record.metadata) == ("ada", MARKUP, {"team": "x"})


@pytest.mark.parametrize(
    ("body", "token", "status"),
    [
        ({"name": "A"}, token_for("bob"), 403),
        ({"name": "A"}, token_for("game", scopes=["actions:write:any"]), 200),
        ({"name": "A"}, "x", 401),
        ({"name": ""}, token_for("ada"), 422),
        ({}, token_for("ada"), 422),
    ],
)
async def test_who_may_change_what(gateway: RunningGateway, body: Any, token: str, status: int) -> None:
    assert (await put(gateway, "ada", body=body, token=token))[0] == status
