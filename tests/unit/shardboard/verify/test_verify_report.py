"""The report's verdict, its exit code, and how a difference reads."""

import io
from typing import Any

import pytest
from rich.console import Console

from audit.compare import Difference
from audit.tables import Table
from contracts.exit_codes import ExitCode
from contracts.ids import Offset, Partition
from shardboard.verify.render import difference_text, render
from shardboard.verify.report import PartitionReport, StoreReport, Verdict, found, make_report, overall

SCORE = Difference(
    Partition(3), "redis", Table("scores", "all_time"), "ada", Offset(9), (7, 100), (8, 100)
)  # fmt: skip


def partition(number: int, verdict: Verdict, **more: Any) -> PartitionReport:
    return PartitionReport(partition=number, shard="s1", verdict=verdict, **more)


@pytest.mark.parametrize(
    ("verdicts", "verdict", "code"),
    [
        (["equal", "equal"], "equal", ExitCode.OK),
        (["equal", "unknown"], "unknown", ExitCode.UNKNOWN),
        (["unknown", "different", "equal"], "different", ExitCode.DIFFERENT),
        ([], "unknown", ExitCode.UNKNOWN),
    ],
)
def test_a_difference_outweighs_what_could_not_be_told(verdicts: list[Verdict], verdict: str, code: int) -> None:
    assert overall(verdicts) == verdict
    reports = [partition(number, each) for number, each in enumerate(verdicts)]
    assert make_report(reports, deep=False, seconds=1, records=2).exit_code == code


def test_a_difference_names_user_period_and_both_values() -> None:
    shown = found(SCORE)
    assert (shown.user_id, shown.period, shown.log, shown.found) == (
        "ada", "all_time", {"score": 7, "scored_at": 100}, {"score": 8, "scored_at": 100},
    )  # fmt: skip
    assert difference_text(shown) == (
        "user 'ada', period all_time, partition 3, at offset 9: the log says score 7 scored at 100, "
        "redis says score 8 scored at 100"
    )


def test_an_id_is_no_user() -> None:
    seen = found(Difference(Partition(3), "redis", Table("seen", "7"), b"\x01" * 16, Offset(9), 1, None))
    assert (seen.user_id, seen.key) == (None, "01" * 16)
    assert "redis says nothing" in difference_text(seen)
    assert found(Difference(Partition(3), "redis", Table("voided"), "ab", Offset(9), 1, 2)).user_id is None


def test_the_first_difference_is_that_of_the_lowest_partition() -> None:
    store = StoreReport(store="redis", verdict="different", differences=1, first=found(SCORE))
    reports = [partition(5, "equal"), partition(3, "different", stores=(store,))]
    report = make_report(reports, deep=True, seconds=2, records=1_000)
    assert report.first == found(SCORE)
    out = io.StringIO()
    Console(file=out, width=300).print(render(report))
    assert "First difference: user 'ada'" in out.getvalue()
    assert "1 differences: 2 partitions, 1000 records in 2.0 s (500/s), deep" in out.getvalue()
