"""Lines over numbers or over names, as SVG: how the HTML report shows percentiles, shards and users. Pure."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Final

from bench.results import Curve, Part, Way, middle, shown

WIDTH: Final = 640
HEIGHT: Final = 220
LEFT: Final = 60
RIGHT: Final = 180
"""Room for the lines' names."""
BOTTOM: Final = 28
TOP: Final = 10
NAME_PX: Final = 14
COLOURS: Final = ("#3b6fd4", "#d4783b", "#3b9a5a", "#a34bc0", "#b8a02a", "#4aa6b5")
PERCENTILES: Final = {"p50_ms": "50 %", "p90_ms": "90 %", "p99_ms": "99 %", "p999_ms": "99.9 %", "max_ms": "longest"}
Points = Sequence[tuple[float, float]]
_At = Callable[[float, float], tuple[float, float]]


def percentile_plot(part: Part) -> str:
    """Every way's latency, from the median to the longest; nothing when no way has three of them."""
    lines: dict[str, Points] = {}
    places = {measure: float(place) for place, measure in enumerate(PERCENTILES)}
    for way in part.ways:
        points = [(place, middle(way, measure)) for measure, place in places.items() if measure in way.measures]
        if len(points) > 2:
            lines[way.name] = points
    return line_plot(lines, {places[measure]: words for measure, words in PERCENTILES.items()}) if lines else ""


def curve_plot(part: Part, curve: Curve) -> str:
    """The medians over the number; its steps are even when it grows by factors."""
    ways: Mapping[str, Way] = {way.name: way for way in part.ways}
    numbers = sorted({number for points in curve.lines.values() for number, _ in points})
    lines = {
        name: [(_even(number), middle(ways[way], curve.measure)) for number, way in points]
        for name, points in curve.lines.items()
    }
    return line_plot(lines, {_even(number): f"{number:,.0f}" for number in numbers})


def line_plot(lines: Mapping[str, Points], ticks: Mapping[float, str]) -> str:
    """From zero upwards; a mark at each point, the name at each line's end."""
    largest = max((y for points in lines.values() for _, y in points), default=0.0) or 1.0
    first, last = min(ticks), max(ticks)
    wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        share = (x - first) / (last - first) if last > first else 0.0
        return LEFT + share * wide, TOP + high * (1 - y / largest)

    drawn = [_grid(at, ticks, largest=largest)]
    ends = {name: at(*points[-1])[1] for name, points in lines.items()}
    names_at = _apart(ends)
    for (name, points), colour in zip(lines.items(), COLOURS * (1 + len(lines) // len(COLOURS)), strict=False):
        places = [at(*point) for point in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dots = "".join(f"<circle cx={x:.1f} cy={y:.1f} r=3 fill='{colour}'/>" for x, y in places)
        drawn.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width=2 />{dots}"
            f"<text x={places[-1][0] + 8:.1f} y={names_at[name] + 4:.1f} style='fill:{colour}'>{escape(name)}</text>"
        )
    return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' width={WIDTH} height={HEIGHT} role=img>{''.join(drawn)}</svg>"


def _grid(at: _At, ticks: Mapping[float, str], *, largest: float) -> str:
    rows = "".join(
        f"<line x1={LEFT} x2={WIDTH - RIGHT} y1={y:.1f} y2={y:.1f} stroke='var(--line)'/>"
        f"<text x={LEFT - 6} y={y + 4:.1f} text-anchor=end>{shown(value)}</text>"
        for value in (0.0, largest / 2, largest)
        for y in (at(min(ticks), value)[1],)
    )
    columns = "".join(
        f"<text x={at(x, 0)[0]:.1f} y={HEIGHT - 8} text-anchor=middle>{escape(words)}</text>"
        for x, words in ticks.items()
    )
    return rows + columns


def _apart(ends: Mapping[str, float]) -> dict[str, float]:
    """Where the names stand: at the lines' ends, but not upon one another."""
    found: dict[str, float] = {}
    above = -math.inf
    for name in sorted(ends, key=ends.__getitem__):
        above = found[name] = max(ends[name], above + NAME_PX)
    return found


def _even(number: float) -> float:
    return math.log2(number) if number > 0 else 0.0
