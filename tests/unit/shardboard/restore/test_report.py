"""Outcomes and exit codes of a restore, and the line that shows how far it is."""

import pytest

from contracts.exit_codes import ExitCode
from contracts.restore import RestoreSource, RestoreState, RestoreStatus
from shardboard.restore.report import Outcome, RestoredPartition, RestoreReport, outcome_of, progress_line, render

OWNED = RestoreStatus(
    state=RestoreState.CATCHING_UP, source=RestoreSource.POSTGRES, rows=5, next_offset=7, end_offset=9
)


def test_partition_is_served_when_it_is_where_the_log_ended() -> None:
    assert outcome_of(1, OWNED, next_offset=8).outcome == "not_done"
    assert outcome_of(1, OWNED, next_offset=None).outcome == "not_done"
    assert outcome_of(1, OWNED, next_offset=9) == RestoredPartition(
        partition=1, outcome="served", source="postgres", reason="", rows=5, restored_offset=7, next_offset=9
    )


def test_refusal_and_silence_are_told_apart() -> None:
    refused = RestoreStatus(state=RestoreState.REFUSED, reason="no archive")
    assert outcome_of(1, refused, next_offset=9).outcome == "refused"
    assert outcome_of(1, None, next_offset=9).outcome == "not_done"
    assert outcome_of(1, RestoreStatus(state=RestoreState.WRITING), next_offset=None).outcome == "not_done"


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], ExitCode.NOTHING_TO_DO),
        (["served", "served"], ExitCode.OK),
        (["served", "refused"], ExitCode.DIFFERENT),
        (["refused"], ExitCode.REFUSED),
        (["served", "refused", "not_done"], ExitCode.STALLED),
    ],
)
def test_exit_code_is_that_of_the_worst(outcomes: list[Outcome], code: ExitCode) -> None:
    rows = tuple(
        RestoredPartition(
            partition=p, outcome=outcome, source=None, reason="", rows=0, restored_offset=0, next_offset=0
        )
        for p, outcome in enumerate(outcomes)
    )
    report = RestoreReport(shard="s1", partitions=rows, seconds=1.0)
    assert report.exit_code is code
    assert render(report).row_count == len(rows)


def test_progress_names_rate_and_time_left() -> None:
    assert progress_line(500, 2_000, what="scores", seconds=2.0) == "500 of 2,000 scores, 250/s, 6 s left"
    assert progress_line(0, 0, what="scores", seconds=0.0) == "0 of 0 scores, 0/s"
