"""Lines begin at zero, end with their names, and numbers that grow by factors stand at even steps."""

import re
from itertools import pairwise

import pytest

from bench.line_plot import NAME_PX, curve_plot, line_plot, percentile_plot
from bench.results import Curve, Part, Way, make_part

PERCENTILES = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")


def part(*ways: Way) -> Part:
    return make_part("latency", "case", settings={}, ways=ways)


def points(svg: str) -> list[list[tuple[float, float]]]:
    """Of each line."""
    found = re.findall(r"<polyline points='([^']*)'", svg)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in found]  # type: ignore[misc]


def test_a_larger_value_stands_higher_and_the_largest_at_the_top() -> None:
    (line,) = points(line_plot({"ours": [(0, 1.0), (1, 4.0), (2, 2.0)]}, {0: "a", 1: "b", 2: "c"}))
    heights = [y for _, y in line]
    assert min(heights) == heights[1]
    assert heights[0] > heights[2] > heights[1]
    assert line[1][0] - line[0][0] == pytest.approx(line[2][0] - line[1][0])


def test_numbers_that_double_stand_at_even_steps() -> None:
    ways = [Way(f"{n} shards", {"p50_ms": [float(n)]}) for n in (1, 2, 8)]
    curve = Curve(over="shards", measure="p50_ms", lines={"median": [(float(n), f"{n} shards") for n in (1, 2, 8)]})
    svg = curve_plot(part(*ways), curve)
    (line,) = points(svg)
    assert (line[2][0] - line[1][0]) == pytest.approx(2 * (line[1][0] - line[0][0]), abs=0.2)
    assert all(f">{tick}</text>" in svg for tick in (1, 2, 8))


def test_every_way_with_percentiles_is_a_line_and_others_are_none() -> None:
    slow = Way("slow <b>", {measure: [10.0 * n] for n, measure in enumerate(PERCENTILES, 1)})
    fast = Way("fast", {measure: [1.0 * n] for n, measure in enumerate(PERCENTILES, 1)})
    svg = percentile_plot(part(slow, fast, Way("promised", {"p99_ms": [100.0]})))
    assert [len(line) for line in points(svg)] == [5, 5]
    assert "slow &lt;b&gt;" in svg
    assert "promised" not in svg
    assert percentile_plot(part(Way("rate", {"per_s": [1.0]}))) == ""


def test_names_of_lines_that_end_together_do_not_stand_upon_one_another() -> None:
    svg = line_plot({name: [(0, 1.0), (1, 5.0)] for name in ("a", "b", "c")}, {0: "x", 1: "y"})
    names = sorted(float(y) for y in re.findall(r" y=([\d.]+) style=", svg))
    assert all(below - above >= NAME_PX - 0.1 for above, below in pairwise(names))
