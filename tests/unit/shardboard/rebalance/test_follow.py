"""How far a plan is, how fast, how long still, and the exit code of its end."""

from typing import Any

import msgspec
import pytest

from contracts.exit_codes import ExitCode
from contracts.moves import MoveLimits, MovePhase, MoveReport, PlanRecord, PlanState
from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.follow import Pace, PlanProgress, progress_of, progress_text
from shardboard.rebalance.plan_file import order_of
from tests.support.clusters import DEPLOYMENT, S1, S2, S3, S4, cluster, figures, report

STORED = cluster(S1, S2, S3, joined=(S4,))
PLAN = draft_plan(
    change.add(STORED, [NewShard(S4)]),
    STORED,
    figures=figures(STORED),
    reports=[],
    occasion=Occasion("a", 1, DEPLOYMENT),
)
PARTITIONS = [move.partition for move in PLAN.moves]


def progress(*phases: MovePhase, state: PlanState = "running", now_ms: int = 11_000, **fields: Any) -> PlanProgress:
    """The plan's first moves in these phases, the others intended."""
    record = PlanRecord(7, PLAN.checksum, 1_000, "a", 4, state, order_of(PLAN, STORED).content)
    filled = [*phases, *[MovePhase.INTENDED] * (len(PARTITIONS) - len(phases))]
    reports: list[MoveReport] = [
        report(partition, phase, **fields) for partition, phase in zip(PARTITIONS, filled, strict=True)
    ]
    return progress_of(record, reports, limits=MoveLimits(), now_ms=now_ms)


def test_moves_are_counted_by_what_is_left_to_do() -> None:
    told = progress(MovePhase.DONE, MovePhase.FORGETTING, MovePhase.COPYING, MovePhase.ABORTED)
    assert (told.done, told.leftovers, told.aborted, told.left, told.seconds) == (2, 1, 1, 13, 10.0)
    assert [move.partition for move in told.moves] == PARTITIONS


def test_fraction_grows_with_rows_and_steps() -> None:
    looks = [
        progress(),
        progress(MovePhase.COPYING, rows_copied=1, rows_total=100),
        progress(MovePhase.COPYING, rows_copied=99, rows_total=100),
        progress(MovePhase.VERIFYING),
        progress(MovePhase.OWNING),
        progress(MovePhase.SWITCHING),
        progress(MovePhase.FORGETTING),
        progress(*[MovePhase.DONE] * 16),
    ]
    fractions = [look.fraction for look in looks]
    assert fractions == sorted(set(fractions))
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert fractions[-2] == pytest.approx(1 / 16)


@pytest.mark.parametrize(
    ("phases", "state", "code"),
    [
        ([MovePhase.DONE] * 16, "done", ExitCode.OK),
        ([MovePhase.DONE] * 15 + [MovePhase.ABORTED], "done", ExitCode.DIFFERENT),
        ([MovePhase.ABORTED] * 16, "aborted", ExitCode.DIFFERENT),
        ([MovePhase.DONE] * 16, "undone", ExitCode.DIFFERENT),
        ([MovePhase.DONE], "running", ExitCode.STALLED),
    ],
)
def test_exit_code_says_how_it_ended(phases: list[MovePhase], state: PlanState, code: ExitCode) -> None:
    assert progress(*phases, state=state).exit_code is code


def test_an_ended_plan_took_until_its_last_word() -> None:
    told = progress(*[MovePhase.DONE] * 16, state="done", now_ms=999_000, changed_ms=61_000)
    assert told.seconds == 60.0
    assert progress_text(told, rows_per_s=0, left_s=None) == "plan 7 (add s4): 16 of 16 moved · done after 1:00"


def test_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.observe(0, progress()) == (0.0, None)
    rate, left_s = pace.observe(10, progress(*[MovePhase.DONE] * 4, rows_copied=1_000))
    assert rate == 1_600
    assert left_s == pytest.approx(30)
    for second in range(11, 60):
        rate, left_s = pace.observe(second, progress(*[MovePhase.DONE] * 4, rows_copied=1_000))
    assert (rate, left_s) == (0.0, None), "nothing moves any more"


def test_text_says_phases_rate_and_time_left() -> None:
    told = progress(MovePhase.DONE, MovePhase.COPYING, MovePhase.COPYING, MovePhase.VERIFYING, MovePhase.ABORTED)
    assert progress_text(told, rows_per_s=93_210.4, left_s=3_725) == (
        "plan 7 (add s4): 1 of 16 moved, 2 copying, 11 intended, 1 verifying · 1 aborted · 93,210 rows/s · 1:02:05 left"
    )


def test_text_says_what_is_waited_for() -> None:
    told = progress(MovePhase.FORGETTING, MovePhase.WAITING, reason="the archive is behind")
    text = progress_text(told, rows_per_s=0, left_s=None)
    assert f"partition {PARTITIONS[1]} waits: the archive is behind · leftovers of 1 to remove" in text


def test_text_of_a_paused_plan_says_how_to_go_on() -> None:
    told = replace_paused(progress(MovePhase.WAITING))
    assert "paused: `rebalance resume` goes on" in progress_text(told, rows_per_s=0, left_s=5)


def replace_paused(told: PlanProgress) -> PlanProgress:
    return msgspec.structs.replace(told, is_paused=True)
