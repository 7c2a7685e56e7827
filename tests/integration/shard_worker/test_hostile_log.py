"""A log in which one record in ten is hostile: each is a dead letter with reason and place, and no good one suffers."""

from collections import Counter
from typing import Any

from aiokafka import AIOKafkaConsumer

from contracts import dead_letter
from contracts.ids import Partition, UserId
from contracts.partition_key import partition_of
from contracts.record import encode
from tests.integration.shard_worker.test_service import PARTITIONS, Deployment, action, deployment
from tests.support.hostile_records import hostile_records
from tests.support.wait import wait_until

__all__ = ["deployment"]
HOSTILE = 10_000
GOOD_PER_HOSTILE = 9
Place = tuple[int, int]


async def test_ten_thousand_hostile_records_hurt_no_good_one(deployment: Deployment) -> None:
    sent: dict[Place, bytes | None] = {}
    acknowledgements: list[tuple[bytes | None, Any]] = []
    topic = deployment.settings["ACTIONS_TOPIC"]
    for n, value in enumerate(hostile_records(HOSTILE, seed=7)):
        partition = Partition(n % PARTITIONS)
        acknowledgements.append((value, await deployment.producer.send(topic, value, key=b"k", partition=partition)))
        for k in range(GOOD_PER_HOSTILE):
            record = action(f"user-{(n * 7 + k) % 500}", 1 + k)
            where = partition_of(UserId(record.user_id), PARTITIONS)
            await deployment.producer.send(topic, encode(record), key=record.user_id.encode(), partition=where)
            deployment.expected[record.user_id] += record.points
    await deployment.producer.flush()
    for value, answer in acknowledgements:
        place = await answer
        sent[place.partition, place.offset] = value
    deployment.sent = HOSTILE * (1 + GOOD_PER_HOSTILE)
    worker = await deployment.start("w1")

    async def is_applied() -> bool:
        return await deployment.applied() == deployment.sent

    await wait_until(is_applied, timeout_s=120, what="the whole log to be applied")
    assert await deployment.scores() == dict(deployment.expected)
    letters = await dead_letters(deployment)
    assert {place: value for place, (value, _) in letters.items()} == sent
    assert all(reason for _, reason in letters.values())
    detail = await worker.ready()
    assert detail is not None
    assert detail["halted"] == {}


async def dead_letters(deployment: Deployment) -> dict[Place, tuple[bytes | None, bytes]]:
    """Value and reason of each dead letter, by the place that it names."""
    found: dict[Place, tuple[bytes | None, bytes]] = {}
    times: Counter[Place] = Counter()
    async with AIOKafkaConsumer(
        deployment.settings["DEAD_TOPIC"], bootstrap_servers=deployment.settings["KAFKA"], auto_offset_reset="earliest"
    ) as consumer:

        async def has_all() -> bool:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for letter in records:
                    headers = dict(letter.headers)
                    place = (int(headers[dead_letter.PARTITION]), int(headers[dead_letter.OFFSET]))
                    found[place] = (letter.value, headers[dead_letter.REASON])
                    times[place] += 1
            return len(found) >= HOSTILE

        await wait_until(has_all, timeout_s=60, what="the dead letters")
    assert set(times.values()) == {1}
    return found
