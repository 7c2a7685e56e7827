"""Two results side by side."""

from io import StringIO

import msgspec
from rich.console import Console

from bench.comparing import compare_reports
from bench.results import Report, Way, make_part
from bench.tables import comparison_table
from tests.support.command import valid


def report(commit: str, rates: list[float], *, way: str = "gateway", cpus: int = 2) -> Report:
    part = make_part("post", "POST", settings={}, ways=[Way("same", {"per_s": [10.0]}), Way(way, {"per_s": rates})])
    machine = {"commit": commit, "cpus": cpus, "system": "Linux", "python": "3.11"}
    return Report(form="full", seed=1, machine=machine, began="now", wanted=("post",), parts=(part,), complete=True)


def test_medians_are_compared_and_what_the_rounds_differ_by_is_told() -> None:
    compared = compare_reports(report("old", [90.0, 100.0, 110.0]), report("new", [150.0, 150.0, 151.0]))
    same, gateway = compared.changes
    assert (same.ratio, same.is_beyond_spread) == (1.0, False)
    assert (gateway.first, gateway.second, gateway.ratio, gateway.spread) == (100.0, 150.0, 1.5, 0.2)
    assert gateway.is_beyond_spread
    assert not compared.differences
    valid(msgspec.json.encode(compared).decode(), "bench-compare")


def test_another_machine_and_what_only_one_has_are_named() -> None:
    compared = compare_reports(report("old", [1.0]), report("new", [1.0], way="other", cpus=8))
    assert compared.differences == ("cpus: 2 and 8",)
    assert compared.only_in_one == ("post · POST · gateway · per_s", "post · POST · other · per_s")
    console = Console(width=120, record=True, file=StringIO())
    console.print(comparison_table(compared))
    told = console.export_text()
    assert "not the same cpus: 2 and 8" in told
    assert "only in one: post · POST · other" in told
