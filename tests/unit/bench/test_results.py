"""Ratios are taken round by round, and a bar is held against their median."""

import pytest

from bench.results import Ask, Part, Report, Way, bar_of, make_part, percentile, shown, spread_of

FAST, SLOW = Way("fast", {"per_s": [80.0, 8.0, 10.0]}), Way("slow", {"per_s": [100.0, 10.0, 100.0]})


def part(**bar: float) -> Part:
    """The machine was slow in the second round, and something else ran in the third."""
    ask = Ask(measure="per_s", first="fast", second="slow", **bar)
    return make_part("post", "case", settings={}, ways=[FAST, SLOW], asks=[ask])


@pytest.mark.parametrize(
    ("bar", "met"),
    [
        ({}, None),
        ({"at_least": 0.8}, True),
        ({"at_least": 0.81}, False),
        ({"at_most": 0.8}, True),
        ({"at_most": 0.79}, False),
    ],
)
def test_a_bar_is_held_against_the_median_of_the_rounds_ratios(bar: dict[str, float], met: bool | None) -> None:
    (verdict,) = part(**bar).verdicts
    assert (verdict.ratios, verdict.ratio, verdict.met) == ([0.8, 0.8, 0.1], 0.8, met)


def test_one_missed_bar_is_a_missed_run() -> None:
    def report(*parts: Part) -> Report:
        return Report(form="quick", seed=1, machine={}, began="now", wanted=("post",), parts=parts)

    assert report(part(), part(at_least=0.8)).are_all_met
    assert not report(part(), part(at_least=0.9)).are_all_met


def test_ways_with_different_rounds_are_not_compared() -> None:
    ask = Ask(measure="per_s", first="fast", second="short")
    with pytest.raises(ValueError, match="zip"):
        make_part("post", "case", settings={}, ways=[FAST, Way("short", {"per_s": [1.0]})], asks=[ask])


def test_figures_are_shown_as_people_read_them() -> None:
    assert [shown(value) for value in (12_345.6, 12.345, 0.012345)] == ["12,346", "12.3", "0.0123"]
    assert spread_of([3.0, 1.0, 2.0]) == "2 (1–3)"
    assert [bar_of(part(**bar).verdicts[0]) for bar in ({}, {"at_least": 7.0}, {"at_most": 0.04})] == [
        "",
        "≥ 7",
        "≤ 0.04",
    ]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [percentile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 51.0, 100.0, 100.0]
