"""What the pure part of an action costs a worker and an archiver: decode, identity, fold; decode, judge, rows.

make bench ARGS=bench/micro/test_fold.py
"""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from archiver.archive_fold import decode_log, judge_log
from archiver.counted_memory import CountedMemory
from bench.actions import BEGIN_MS, PARTITIONS, ZIPF, LogRecord, LogWriter, people
from contracts.counting import CountingRules
from contracts.ids import LogMs, Offset, Partition
from contracts.periods import PeriodCalendar, SpanCache
from shard_worker.fold import Folder, Position

RULES = CountingRules()
USERS, RECORDS = 1_000_000, 5_000
P = Partition(0)


def records(distribution: str) -> list[LogRecord]:
    """Of one partition."""
    (poll,) = LogWriter(people(USERS, zipf=ZIPF[distribution]), seed=1).polls(
        RECORDS * PARTITIONS, poll_records=RECORDS * PARTITIONS
    )
    return poll[P]


@pytest.mark.parametrize("boards", ["all_time", "all_time,daily,weekly"])
@pytest.mark.parametrize("distribution", ["uniform", "zipf 1.2"])
def test_fold(benchmark: BenchmarkFixture, distribution: str, boards: str) -> None:
    log, folder = records(distribution), Folder(RULES, SpanCache(PeriodCalendar(boards)))
    batches = benchmark(folder.fold_all, P, log, before=Position(Offset(0), LogMs(BEGIN_MS)))
    assert sum(batch.counted for batch in batches) == len(log)


def test_archive(benchmark: BenchmarkFixture) -> None:
    log = records("uniform")

    def archive() -> int:
        entries = decode_log(log, LogMs(0))
        return len(judge_log(P, entries, memory=CountedMemory(), rules=RULES, book=None).counted)

    assert benchmark(archive) == len(log)
