"""What is written into a log is what was made, each user's actions in the partition that any client would choose."""

from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.actions import PARTITIONS, InTurnWriter, people
from bench.gateway_process import GatewayGround
from bench.ground import Ground
from bench.log_maker import FeedPlan, feed_apart, fill_log
from bench.sizes import QUICK
from contracts.clock import now_ms
from contracts.ids import UserId
from contracts.partition_key import partition_of
from contracts.record import ActionRecord, decode


async def deployment(ground: Ground, kafka: str, *, name: str, partitions: int) -> GatewayGround:
    grounded = GatewayGround(
        ground, kafka=kafka, cache="redis://127.0.0.1:1/0", shards=["redis://127.0.0.1:2/0"], name=name
    )
    await grounded.create_topics(partitions)
    return grounded


async def read(kafka: str, topic: str, *, partitions: int, count: int) -> dict[int, list[ActionRecord]]:
    found: dict[int, list[ActionRecord]] = {}
    async with AIOKafkaConsumer(bootstrap_servers=kafka) as consumer:
        topics = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(topics)
        await consumer.seek_to_beginning(*topics)
        while sum(map(len, found.values())) < count:
            for place, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    action = decode(record.value)
                    assert isinstance(action, ActionRecord)
                    assert record.key == action.user_id.encode()
                    found.setdefault(place.partition, []).append(action)
    return found


async def test_a_filled_log_holds_every_record_in_order(kafka_address: str, unique_name: str, tmp_path: Path) -> None:
    ground = Ground(tmp_path, QUICK, seed=7, kafka=kafka_address)
    grounded = await deployment(ground, kafka_address, name=unique_name, partitions=PARTITIONS)
    polls = list(InTurnWriter(people(500, zipf=None), seed=7).polls(3_000, poll_records=1_000))
    assert await fill_log(kafka_address, grounded.topic, polls=polls) == 3_000
    found = await read(kafka_address, grounded.topic, partitions=PARTITIONS, count=3_000)
    for partition, actions in found.items():
        written = [decode(record.value) for poll in polls for record in poll.get(partition, [])]  # type: ignore[call-overload]
        assert actions == written


async def test_a_fed_log_is_spread_over_the_topics_own_partitions(
    kafka_address: str, unique_name: str, tmp_path: Path
) -> None:
    ground = Ground(tmp_path, QUICK, seed=7, kafka=kafka_address)
    grounded = await deployment(ground, kafka_address, name=unique_name, partitions=16)
    plan = FeedPlan(
        kafka=kafka_address, topic=grounded.topic, partitions=16, rate_per_s=400, seconds=0.5, users=100,
        distribution="zipf 1.0", seed=7,
    )  # fmt: skip
    began_ms = now_ms()
    fed = await feed_apart(plan)
    assert (fed.count, fed.unanswered, fed.failed) == (200, 0, 0)
    found = await read(kafka_address, grounded.topic, partitions=16, count=200)
    for partition, actions in found.items():
        assert {partition_of(UserId(action.user_id), 16) for action in actions} == {partition}
    ids = [action.id for actions in found.values() for action in actions]
    assert len(set(ids)) == 200
    assert all(action.at >= began_ms for actions in found.values() for action in actions)
