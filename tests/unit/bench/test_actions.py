"""Made-up logs are logs: offsets without gaps, ids once, users in their partitions, few of whom do most by Zipf."""

from collections import Counter

from bench.actions import BEGIN_MS, PARTITIONS, LogWriter, people
from contracts.counting import CountingRules, window_of
from contracts.ids import LogMs
from contracts.partition_key import partition_of
from contracts.record import ActionRecord, decode


def test_a_log_goes_on_from_poll_to_poll() -> None:
    log = LogWriter(people(50, zipf=None), seed=1)
    ends: Counter[int] = Counter()
    ids = set()
    polls = [*log.polls(700, poll_records=300), *log.polls(300, poll_records=300)]
    assert [sum(map(len, poll.values())) for poll in polls] == [300, 300, 100, 300]
    for poll in polls:
        for partition, records in poll.items():
            for record in records:
                action = decode(record.value)
                assert isinstance(action, ActionRecord)
                assert record.offset == ends[partition]
                assert partition == partition_of(action.user_id, PARTITIONS)
                ends[partition] += 1
                ids.add(action.id)
    assert len(ids) == 1_000


def test_a_log_is_its_seeds() -> None:
    first, second = (list(LogWriter(people(9, zipf=1.2), seed=4).polls(50, poll_records=50)) for _ in range(2))
    assert first == second


def test_the_log_begins_with_a_window() -> None:
    rules = CountingRules()
    assert window_of(LogMs(BEGIN_MS), rules) == window_of(LogMs(BEGIN_MS - 1), rules) + 1


def test_zipf_is_not_uniform() -> None:
    def most(zipf: float | None) -> float:
        acted: Counter[bytes] = Counter()
        for poll in LogWriter(people(1_000, zipf=zipf), seed=2).polls(5_000, poll_records=5_000):
            acted.update(record.key for records in poll.values() for record in records)
        return acted.most_common(1)[0][1] / 5_000

    assert most(None) < 0.01
    assert 0.15 < most(1.2) < 0.3
