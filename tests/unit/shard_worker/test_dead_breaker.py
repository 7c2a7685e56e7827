"""When a partition stops instead of diverting everything."""

from contracts.ids import Partition
from shard_worker.dead_breaker import WATCHED_RECORDS, DeadBreaker

P = Partition(3)


def test_good_batches_never_trip() -> None:
    breaker = DeadBreaker()
    for _ in range(10):
        assert not breaker.trips(P, 5_000, dead=0)
        breaker.note(P, 5_000, dead=0)


def test_half_of_the_watched_records_may_be_dead() -> None:
    breaker = DeadBreaker()
    assert not breaker.trips(P, WATCHED_RECORDS // 2, dead=WATCHED_RECORDS // 2)
    breaker.note(P, WATCHED_RECORDS // 2, dead=WATCHED_RECORDS // 2)
    assert breaker.trips(P, 1, dead=1)
    assert breaker.tripped == {P: "1001 of the last 1001 records are dead letters"}


def test_one_large_batch_of_rubbish_trips_before_any_of_it_is_diverted() -> None:
    assert DeadBreaker().trips(P, 5_000, dead=2_501)
    assert not DeadBreaker().trips(P, 5_000, dead=2_500)


def test_old_rubbish_is_forgotten() -> None:
    breaker = DeadBreaker()
    breaker.note(P, 1_000, dead=1_000)
    breaker.note(P, WATCHED_RECORDS, dead=0)
    assert not breaker.trips(P, 1_000, dead=1_000)


def test_partitions_are_judged_apart() -> None:
    breaker = DeadBreaker()
    breaker.note(P, 1_000, dead=1_000)
    assert not breaker.trips(Partition(4), 1, dead=1)
