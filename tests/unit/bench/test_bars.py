"""Every bar names a benchmark that there is, and finds its verdicts by what they compare."""

import pytest

from bench.bars import Bar, all_bars
from bench.harness import BENCHES
from bench.results import MEASURES, Ask, Part, Report, Way, make_part

BAR = Bar(
    what="apply", bench="apply", case="*, 1 board", measure="per_s", first="worker", second="native", holds_back="x"
)


def part(case: str, second: str = "native", *, bench: str = "apply") -> Part:
    ways = [Way("worker", {"per_s": [8.0]}), Way(second, {"per_s": [10.0]})]
    asks = [Ask(measure="per_s", first="worker", second=second, at_least=0.75)]
    return make_part(bench, case, settings={}, ways=ways, asks=asks)


def report(*parts: Part) -> Report:
    return Report(form="full", seed=1, machine={}, began="now", wanted=(), parts=parts)


def test_every_bar_can_be_measured_and_says_what_may_hold_it_back() -> None:
    bars = all_bars()
    assert len(bars) > 20
    for bar in bars:
        assert bar.bench in BENCHES, bar.what
        assert bar.measure in MEASURES, bar.what
        assert bar.holds_back, bar.what
    keys = [(bar.bench, bar.case, bar.measure, bar.first, bar.second) for bar in bars]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("parts", "cases"),
    [
        ([], []),
        ([part("uniform, 3 boards")], []),
        ([part("uniform, 1 board"), part("zipf 1.2, 1 board")], ["uniform, 1 board", "zipf 1.2, 1 board"]),
        ([part("uniform, 1 board", "another way")], []),
        ([part("uniform, 1 board", bench="rebuild")], []),
    ],
)
def test_a_bar_finds_what_compares_the_same_in_the_parts_of_its_name(parts: list[Part], cases: list[str]) -> None:
    found = BAR.verdicts(report(*parts))
    assert [measured.case for measured, _ in found] == cases
    assert all(verdict.ratio == 0.8 for _, verdict in found)
