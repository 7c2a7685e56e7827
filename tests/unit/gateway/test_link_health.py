"""When the gateway refuses at once, and when it makes a new producer."""

from gateway.link_health import LinkHealth


def test_a_missed_deadline_takes_the_link_down_until_something_is_acknowledged() -> None:
    health = LinkHealth().acked(10.0)
    assert not health.is_down
    lost = health.missed(11.0)
    assert lost.is_down
    assert not lost.acked(16.0).is_down


def test_the_link_stays_up_while_other_partitions_are_acknowledged() -> None:
    health = LinkHealth().acked(10.0).missed(9.0)
    assert not health.is_down


def test_an_older_miss_does_not_hide_a_newer_one() -> None:
    assert LinkHealth().acked(10.0).missed(11.0).missed(5.0).is_down


def test_a_producer_is_replaced_only_when_a_partition_is_stuck_and_not_too_often() -> None:
    health = LinkHealth()
    assert not health.should_rebuild(100.0, stuck_partitions=0, every_s=5.0)
    assert health.should_rebuild(100.0, stuck_partitions=1, every_s=5.0)
    asked = health.rebuild_asked(100.0)
    assert not asked.should_rebuild(104.9, stuck_partitions=3, every_s=5.0)
    assert asked.should_rebuild(105.0, stuck_partitions=3, every_s=5.0)


def test_idle_is_counted_from_the_last_acknowledgement() -> None:
    health = LinkHealth()
    assert health.is_idle(1.0, after_s=2.0)
    assert not health.acked(10.0).is_idle(11.9, after_s=2.0)
    assert health.acked(10.0).is_idle(12.0, after_s=2.0)
