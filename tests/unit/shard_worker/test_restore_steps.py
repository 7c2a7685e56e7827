"""From what a lost partition is restored, and when it is refused instead."""

import pytest

from contracts.ids import LogMs, Offset
from contracts.progress import LastRecord
from contracts.restore import RestoreSource
from shard_worker.partition_state import LogBounds
from shard_worker.restore_steps import (
    LOG_START,
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
    plan_restore,
)

LAST = LastRecord(49, 1_000, 7)
START = Start(Offset(50), LogMs(1_000), LAST, 90, 40)
ARCHIVE = Archive(Offset(0), START)
NONE = NoArchive("Postgres does not answer")
ABSENT = Loss(Cause.ABSENT)
OTHER_LOG = Loss(Cause.OTHER_LOG, "offset 70 was applied up to, but the log ends at 60", given_up=Offset(70))


def plan(
    loss: Loss, begin: int, end: int, *, archive: Archive | NoArchive = ARCHIVE, found: LastRecord | None = LAST
) -> Plan | Missing:  # fmt: skip
    return plan_restore(loss, LogBounds(Offset(begin), Offset(end)), archive=archive, found=found)


@pytest.mark.parametrize("begin", [0, 49, 50])
def test_archive_and_the_log_from_there_make_a_whole(begin: int) -> None:
    assert plan(ABSENT, begin, 90) == Plan(RestoreSource.POSTGRES, START)


def test_without_an_archive_the_whole_log_is_enough() -> None:
    assert plan(ABSENT, 0, 90, archive=NONE) == Plan(RestoreSource.LOG, LOG_START)
    assert plan(Loss(Cause.ASKED, wanted=RestoreSource.LOG), 0, 90) == Plan(RestoreSource.LOG, LOG_START)


@pytest.mark.parametrize(
    ("loss", "begin", "end", "archive", "found", "said"),
    [
        (ABSENT, 51, 90, ARCHIVE, None, "the records between are nowhere"),
        (ABSENT, 0, 49, ARCHIVE, LAST, "it is another log, or lost its tail"),
        (ABSENT, 0, 90, ARCHIVE, LastRecord(49, 1_000, 8), "Postgres archived another log"),
        (ABSENT, 0, 90, Archive(Offset(3), START), LAST, "only from offset 3 on"),
        (ABSENT, 1, 90, NONE, None, "the log begins at offset 1"),
        (Loss(Cause.ASKED, wanted=RestoreSource.LOG), 1, 90, ARCHIVE, LAST, "the log begins at offset 1"),
        (Loss(Cause.ASKED, wanted=RestoreSource.POSTGRES), 0, 90, NONE, None, "does not answer"),
        (OTHER_LOG, 0, 60, NONE, None, "If this log is the right one"),
    ],
)
def test_what_is_not_whole_is_refused(
    *, loss: Loss, begin: int, end: int, archive: Archive | NoArchive, found: LastRecord | None, said: str
) -> None:
    refused = plan(loss, begin, end, archive=archive, found=found)
    assert isinstance(refused, Missing)
    assert said in refused.reason


def test_attempt_goes_from_wipe_to_owned_and_ends_at_any_refusal() -> None:
    attempt = Attempt().after(Event.PLANNED).after(Event.DONE)
    for _ in range(20):
        attempt = attempt.after(Event.DONE, chunks=3)
    assert (attempt.step, attempt.chunks) == (Step.WRITING, 60)
    assert attempt.after(Event.REFUSED).step is Step.OVER
    owned = attempt.after(Event.EXHAUSTED).after(Event.DONE)
    assert (owned.step, owned.is_over) == (Step.OWNED, True)
    with pytest.raises(ImpossibleMove, match="last moves"):
        owned.after(Event.DONE)
