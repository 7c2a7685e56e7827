"""The auditor's judgement: at the shard's own offset, once per change, and honest about what it cannot tell."""

from dataclasses import replace

from audit.auditing import Audit, Verdict
from audit.compare import StoredTotals
from contracts.counting import CountingRules
from contracts.ids import SCORE_LIMIT, ActionId, LogMs, Offset, Partition, UserId
from contracts.periods import PeriodCalendar
from contracts.record import AdjustRecord, encode
from tests.support.apply_model import LogRecord
from tests.unit.audit.test_log_count import START_MS, action

P = Partition(3)


def audit_of(records: int) -> Audit:
    audit = Audit(CountingRules(), PeriodCalendar())
    assert audit.begin(P, Offset(0)) == []
    audit.take(P, [action(number, START_MS) for number in range(records)])
    return audit


def totals_of(records: int) -> StoredTotals:
    """What a shard that applied so many of them says."""
    count = audit_of(records).partitions[P].count
    assert count is not None
    return StoredTotals(Offset(records), LogMs(START_MS), records, records, count.last)


def test_it_counts_as_far_as_the_shard_and_no_further() -> None:
    audit = audit_of(2)
    assert audit.targets({P: totals_of(5)}, {P: Offset(9)}) == {P: 5}
    assert audit.targets({P: totals_of(5)}, {P: Offset(4)}) == {P: 4}
    assert audit.targets({P: totals_of(2)}, {P: Offset(9)}) == {}
    assert audit.targets({P: totals_of(1), Partition(8): totals_of(5)}, {P: Offset(9), Partition(8): Offset(9)}) == {}


def test_a_difference_is_told_once_until_it_changes_and_when_it_ends() -> None:
    audit, right = audit_of(5), totals_of(5)
    wrong = replace(right, points=6)
    assert audit.compare({P: right}, now_s=1) == []
    (change,) = audit.compare({P: wrong}, now_s=2)
    assert (change.partition, change.verdict, change.offset) == (P, Verdict.DIFFERENT, 5)
    assert change.detail == "points: log 5, shard 6"
    assert audit.compare({P: wrong}, now_s=3) == []
    assert audit.number_of(Verdict.DIFFERENT) == 1
    (worse,) = audit.compare({P: replace(wrong, counted=4)}, now_s=4)
    assert "counted: log 5, shard 4" in worse.detail
    (ended,) = audit.compare({P: right}, now_s=5)
    assert ended.verdict is Verdict.EQUAL


def test_another_last_record_is_another_log() -> None:
    last = totals_of(5).last
    assert last is not None
    (change,) = audit_of(5).compare({P: replace(totals_of(5), last=replace(last, crc32=1))}, now_s=1)
    assert "last: log 4:" in change.detail


def test_a_shard_that_went_back_is_judged_when_it_returns() -> None:
    audit = audit_of(5)
    assert audit.compare({P: totals_of(3)}, now_s=7) == []
    assert audit.partitions[P].verdict is Verdict.NOT_COMPARED
    assert audit.oldest_s(1.0) == 1.0
    audit.compare({P: totals_of(5)}, now_s=8)
    assert audit.oldest_s(1.0) == 8


def test_a_shard_beyond_the_logs_end_is_different() -> None:
    (change,) = audit_of(5).compare({P: totals_of(6)}, now_s=1)
    assert change.verdict is Verdict.DIFFERENT
    assert "offset 6 was applied, but the log ends at 5" in change.detail


def test_a_log_without_its_beginning_cannot_be_told() -> None:
    audit = Audit(CountingRules(), PeriodCalendar())
    (change,) = audit.begin(P, Offset(100))
    assert (change.verdict, change.detail) == (Verdict.UNTOLD, "the log begins at offset 100")
    assert audit.targets({P: totals_of(5)}, {P: Offset(9)}) == {}
    assert audit.compare({P: totals_of(5)}, now_s=1) == []
    assert audit.number_of(Verdict.UNTOLD) == 1


def test_totals_say_nothing_once_scores_may_leave_the_exact_range() -> None:
    audit = Audit(CountingRules(), PeriodCalendar())
    audit.begin(P, Offset(0))
    for offset in range(2):
        record = AdjustRecord(
            v=1, id=ActionId(f"{offset}"), user_id=UserId("a"), received_at=START_MS, points=SCORE_LIMIT - 1,
            at=START_MS, by="m", reason="r",
        )  # fmt: skip
        audit.take(P, [LogRecord(offset, START_MS, None, encode(record))])
    (change,) = audit.compare({P: totals_of(2)}, now_s=1)
    assert change.verdict is Verdict.UNTOLD
