"""Ratios are taken round by round, and a bar is held against their median."""

from bench.paired import Comparison, all_met, measure, part_of


def compared(bar: float | None) -> Comparison:
    """The machine was slow in the second round, and something else ran in the third."""
    return Comparison("case", bar, ("a", "b"), ([80.0, 8.0, 10.0], [100.0, 10.0, 100.0]))


def test_a_slow_machine_does_not_change_the_ratio_nor_one_bad_round_the_median() -> None:
    assert compared(None).ratios == [0.8, 0.8, 0.1]
    assert compared(None).ratio == 0.8


def test_a_bar_is_met_from_its_value_on() -> None:
    assert [compared(bar).is_met for bar in (None, 0.8, 0.81)] == [True, True, False]
    assert not all_met([compared(None), compared(0.81)])


def test_what_is_told_holds_every_round() -> None:
    told = compared(0.9).as_json()
    assert told["ratios"] == [0.8, 0.8, 0.1]
    assert told["met"] is False
    assert "MISSED" in compared(0.9).as_line()


async def test_a_rate_is_records_by_time() -> None:
    async def nothing() -> None:
        pass

    assert await measure(nothing, 1_000) > 1_000


def test_a_comparison_is_a_part_with_the_same_verdict() -> None:
    part = part_of("post", Comparison("post · case", 0.9, ("a", "b"), ([80.0], [100.0])), settings={"users": 3})
    (verdict,) = part.verdicts
    assert (part.case, part.settings, [way.name for way in part.ways]) == ("case", {"users": 3}, ["a", "b"])
    assert (verdict.ratio, verdict.at_least, verdict.met) == (0.8, 0.9, False)
