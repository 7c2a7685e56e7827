"""What a partition is restored from, and that an attempt can only end whole or not at all."""

import random

import pytest

from contracts.ids import LogMs, Offset
from contracts.log import LogBounds
from contracts.progress import LastRecord
from contracts.restore import RestoreSource
from shard_worker.restore_steps import (
    LOG_START,
    MOVES,
    Archive,
    Attempt,
    Cause,
    Event,
    ImpossibleMove,
    Loss,
    Missing,
    NoArchive,
    Plan,
    Start,
    Step,
    mark_to_find,
    plan_restore,
)

LAST = LastRecord(49, 1_000, 7)
START = Start(Offset(50), LogMs(1_000), LAST, 500, 50)
ARCHIVE = Archive(Offset(0), START)
AWAY = NoArchive("Postgres does not answer")
WHOLE = LogBounds(Offset(0), Offset(80))
ABSENT = Loss(Cause.ABSENT)


def bounds(begin: int, end: int) -> LogBounds:
    return LogBounds(Offset(begin), Offset(end))


def missing(plan: Plan | Missing) -> str:
    assert isinstance(plan, Missing), plan
    return plan.reason


def test_archive_that_the_log_continues_is_taken() -> None:
    expected = Plan(RestoreSource.POSTGRES, START)
    for log in (WHOLE, bounds(30, 80), bounds(50, 50)):
        assert plan_restore(ABSENT, log, archive=ARCHIVE, found=LAST) == expected


def test_archive_is_compared_with_the_log_where_both_hold_its_last_record() -> None:
    assert mark_to_find(ARCHIVE, WHOLE) == LAST
    assert mark_to_find(ARCHIVE, bounds(50, 80)) is None
    assert mark_to_find(AWAY, WHOLE) is None
    other = LastRecord(49, 1_000, 8)
    for found in (other, None):
        reason = missing(plan_restore(ABSENT, WHOLE, archive=ARCHIVE, found=found))
        assert reason.startswith("Postgres archived another log")


def test_archive_beyond_the_log_is_refused_even_when_the_log_is_whole() -> None:
    """It says that acknowledged records are gone: counting what is left would hide it."""
    reason = missing(plan_restore(ABSENT, bounds(0, 49), archive=ARCHIVE, found=None))
    assert "up to offset 50, but it ends at 49: it is another log, or lost its tail" in reason


def test_gap_between_archive_and_log_is_never_restored_over() -> None:
    reason = missing(plan_restore(ABSENT, bounds(51, 80), archive=ARCHIVE, found=None))
    assert "up to offset 50, but it begins at 51" in reason


def test_archive_without_the_logs_beginning_is_no_state() -> None:
    cut = Archive(Offset(10), START)
    assert "only from offset 10 on" in missing(plan_restore(ABSENT, bounds(20, 80), archive=cut, found=LAST))


def test_log_alone_will_do_only_from_offset_0() -> None:
    empty = Archive(Offset(0), LOG_START)
    for archive in (AWAY, empty, NoArchive("Postgres holds none of its records")):
        assert plan_restore(ABSENT, WHOLE, archive=archive, found=None) == Plan(RestoreSource.LOG, LOG_START)
        reason = missing(plan_restore(ABSENT, bounds(1, 80), archive=archive, found=None))
        assert "begins at" in reason


def test_another_log_never_replaces_a_state_by_itself() -> None:
    """A topic that was made anew is whole and nearly empty: only an operator can know that it is the right one."""
    loss = Loss(Cause.OTHER_LOG, "the record differs", given_up=Offset(70))
    assert "shardboard restore --from log" in missing(plan_restore(loss, WHOLE, archive=AWAY, found=None))
    asked = Loss(Cause.OTHER_LOG, "the record differs", given_up=Offset(70), wanted=RestoreSource.LOG)
    assert plan_restore(asked, WHOLE, archive=ARCHIVE, found=None) == Plan(RestoreSource.LOG, LOG_START)
    assert plan_restore(loss, WHOLE, archive=ARCHIVE, found=LAST) == Plan(RestoreSource.POSTGRES, START)


def test_what_an_operator_wants_is_done_or_refused() -> None:
    from_log = Loss(Cause.ASKED, wanted=RestoreSource.LOG)
    from_postgres = Loss(Cause.ASKED, wanted=RestoreSource.POSTGRES)
    assert plan_restore(from_log, WHOLE, archive=ARCHIVE, found=LAST) == Plan(RestoreSource.LOG, LOG_START)
    assert "begins at offset 1" in missing(plan_restore(from_log, bounds(1, 80), archive=ARCHIVE, found=LAST))
    assert plan_restore(from_postgres, WHOLE, archive=ARCHIVE, found=LAST) == Plan(RestoreSource.POSTGRES, START)
    assert missing(plan_restore(from_postgres, WHOLE, archive=AWAY, found=None)) == AWAY.reason


@pytest.mark.parametrize("seed", range(50))
def test_random_attempts_own_only_after_the_source_was_exhausted(seed: int) -> None:
    """Any events in any order: each is a move of the table or raises, and OWNED is reached on one path only."""
    rng, attempt, path = random.Random(seed), Attempt(), list[Event]()
    for _ in range(200):
        event = rng.choice(list(Event))
        if (attempt.step, event) not in MOVES:
            with pytest.raises(ImpossibleMove):
                attempt.after(event)
            continue
        attempt = attempt.after(event, chunks=1 if (attempt.step, event) == (Step.WRITING, Event.DONE) else 0)
        path.append(event)
        if attempt.step is Step.OWNED:
            written = [Event.DONE] * attempt.chunks
            assert path == [Event.PLANNED, Event.DONE, *written, Event.EXHAUSTED, Event.DONE]
        if attempt.is_over:
            attempt, path = Attempt(), []


def test_every_step_that_is_not_final_knows_every_way_to_fail() -> None:
    for step in (Step.WIPING, Step.WRITING, Step.OWNING):
        assert MOVES[step, Event.REFUSED] is MOVES[step, Event.FAILED] is Step.OVER
