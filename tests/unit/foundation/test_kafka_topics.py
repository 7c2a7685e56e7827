"""Which properties of a topic break a guarantee; creating and describing are tested on a real broker."""

from dataclasses import replace

import pytest

from foundation.kafka_topics import TopicFacts, topic_faults

GOOD = TopicFacts("actions", partitions=64, replication=3, min_isr=2, timestamp_type="LogAppendTime")


def test_a_good_topic_has_no_faults() -> None:
    assert topic_faults(GOOD, partitions=64, must_replicate=True) == []


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (replace(GOOD, partitions=32), "has 32 partitions, the deployment was made with 64"),
        (replace(GOOD, partitions=5000), "at most 4096"),
        (replace(GOOD, timestamp_type="CreateTime"), "it must be LogAppendTime"),
        (replace(GOOD, replication=2), "has replication 2, production needs ≥ 3"),
        (replace(GOOD, min_isr=1), "has min.insync.replicas 1, production needs ≥ 2"),
    ],
)
def test_a_property_that_breaks_a_guarantee_is_told(facts: TopicFacts, told: str) -> None:
    assert any(told in fault for fault in topic_faults(facts, partitions=64, must_replicate=True))


def test_all_faults_are_told_at_once() -> None:
    bad = TopicFacts("actions", partitions=1, replication=1, min_isr=1, timestamp_type="CreateTime")
    assert len(topic_faults(bad, partitions=64, must_replicate=True)) == 4


def test_a_development_machine_has_one_broker() -> None:
    assert topic_faults(replace(GOOD, replication=1, min_isr=1), partitions=None, must_replicate=False) == []
