"""Following all partitions on real Kafka, each just as far as is asked."""

from audit.kafka_follower import LogFollower
from contracts.ids import Offset, Partition
from tests.integration.audit.test_kafka_replay import fill


async def test_a_follower_reads_each_partition_just_as_far_as_asked(kafka_address: str, unique_name: str) -> None:
    await fill(kafka_address, unique_name, records=50)
    log = LogFollower(kafka_address, topic=unique_name, partitions=2, records_max=7)
    got: dict[int, list[int]] = {0: [], 1: []}

    async def until(targets: dict[Partition, Offset]) -> None:
        while left := {p: target for p, target in targets.items() if len(got[p]) < target}:
            for partition, records in (await log.poll(left)).items():
                got[partition] += [record.offset for record in records]

    assert await log.start() == {0: 0, 1: 0}
    try:
        await until({Partition(0): Offset(9), Partition(1): Offset(50)})
        assert got == {0: list(range(9)), 1: list(range(50))}
        await until({Partition(0): Offset(50)})
        assert got[0] == list(range(50))
        assert await log.ends() == {0: 50, 1: 50}
    finally:
        await log.close()
