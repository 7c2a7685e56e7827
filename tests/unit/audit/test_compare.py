"""Comparing what a store told with the count: each row at its own offset, and the first difference by a fixed order."""

from audit.compare import PartitionCheck, StoredTotals, shown
from audit.log_count import LogCount
from audit.tables import HIDDEN, SCORES, SEEN, Table
from contracts.counting import CountingRules
from contracts.ids import ActionId, LogMs, Offset, Partition, UserId
from contracts.periods import ALL_TIME, PeriodCalendar
from contracts.progress import LastRecord
from contracts.record import ActionRecord, encode
from tests.support.apply_model import LogRecord
from tests.unit.audit.test_log_count import START_MS

P = Partition(2)
BOARD = Table(SCORES, ALL_TIME)


def count_of(*users: str) -> LogCount:
    """One action of a point each."""
    count = LogCount(CountingRules(), PeriodCalendar())
    for offset, user in enumerate(users):
        count.take(action(user, offset))
    return count


def action(user: str, offset: int) -> LogRecord:
    record = ActionRecord(
        v=1, id=ActionId(f"{offset}"), user_id=UserId(user), received_at=START_MS, action="x", points=1, at=START_MS
    )
    return LogRecord(offset, START_MS, user.encode(), encode(record))


def test_equal_rows_give_equal_digests_and_no_difference() -> None:
    count, check = count_of("a", "b", "a"), PartitionCheck(P, "redis")
    check.rows(count, BOARD, rows=[("b", (1, START_MS)), ("a", (2, START_MS))])
    assert (check.differences, check.first, check.missing(count, BOARD)) == (0, None, [])
    assert check.log_digest.hex() == check.store_digest.hex()


def test_a_row_is_compared_at_the_offset_that_it_was_told_at() -> None:
    """The log went on between two chunks: what was true of a then is no longer, and no difference."""
    count, check = count_of("a", "b"), PartitionCheck(P, "redis")
    check.rows(count, BOARD, rows=[("a", (1, START_MS))])
    count.take(action("a", 2))
    check.rows(count, BOARD, rows=[("a", (1, START_MS)), ("b", (1, START_MS))])
    assert check.differences == 0
    check.answers(count, BOARD, answers=[("a", (1, START_MS))])
    assert check.differences == 1


def test_the_first_difference_does_not_depend_on_the_order_of_reading() -> None:
    rows = [("c", (9, 0)), ("a", (1, START_MS)), ("b", (8, 0))]
    for told in (rows, rows[::-1]):
        count, check = count_of("a", "b", "c"), PartitionCheck(P, "redis")
        check.rows(count, Table(SEEN, "7"), rows=[(b"x" * 16, 1)])
        check.rows(count, BOARD, rows=told)
        assert check.differences == 3
        assert check.first is not None
        assert (check.first.key, check.first.log, check.first.found) == ("b", (1, START_MS), (8, 0))
        assert (check.first.table.period, check.first.offset) == (ALL_TIME, 3)
        assert check.log_digest.hex() != check.store_digest.hex()


def test_what_the_store_did_not_tell_is_asked_for_and_told_as_missing() -> None:
    count, check = count_of("a", "b"), PartitionCheck(P, "redis")
    check.rows(count, BOARD, rows=[("a", (1, START_MS))])
    assert check.missing(count, BOARD) == ["b"]
    check.answers(count, BOARD, answers=[("b", None)])
    assert check.first is not None
    assert (check.first.key, check.first.log, check.first.found) == ("b", (1, START_MS), None)
    assert check.missing(count, BOARD) == []


def test_totals_that_differ_are_named() -> None:
    count, check = count_of("a", "b"), PartitionCheck(P, "redis")
    check.totals(count, StoredTotals(Offset(2), LogMs(START_MS), 2, 2, count.last))
    assert check.differences == 0
    check.totals(count, StoredTotals(Offset(2), LogMs(START_MS), 3, 2, LastRecord(1, 2, 3)))
    assert check.differences == 2
    assert check.first is not None
    assert (check.first.key, check.first.log, check.first.found) == ("last", count.last, LastRecord(1, 2, 3))


def test_values_are_shown_as_people_read_them() -> None:
    assert shown((3, 4), BOARD) == {"score": 3, "scored_at": 4}
    assert shown({ALL_TIME: (3, 4)}, Table(HIDDEN)) == {ALL_TIME: {"score": 3, "scored_at": 4}}
    assert shown(LastRecord(1, 2, 3), Table("progress")) == "1:2:3"
    assert shown(None, BOARD) is None
    assert shown((1, 2), Table("caps", "3")) == [1, 2]
