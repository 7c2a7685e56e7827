"""What benchmarks found, and how it is judged: docs/schemas/bench.json. Ratios are taken round by round, between
neighbours in time, and a bar is held against their median. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

PER_S: Final = "per_s"
CPU_US: Final = "cpu_us"
"""Of the measured processes, from the kernel's accounting, per item."""
US: Final = "us"
BYTES: Final = "bytes"
COUNT: Final = "count"
GROWTH: Final = "growth"
CALLS: Final = "calls"
MEASURES: Final = {
    PER_S: "per second",
    CPU_US: "CPU-µs each",
    US: "µs each",
    BYTES: "bytes each",
    COUNT: "counted",
    GROWTH: "times the cost with the fewest users",
    CALLS: "calls per partition and poll",
    "per_cpu_s": "per CPU-second",
    "kib_each": "KiB each",
    "p50_ms": "ms, median",
    "p50_less_publishing_ms": "ms, median without publish intervals",
    "p90_ms": "ms, 90 of 100",
    "p99_ms": "ms, 99 of 100",
    "p999_ms": "ms, 999 of 1,000",
    "behind_p99_ms": "ms until at most one change behind, 99 of 100",
    "max_ms": "ms, longest",
    "sent_late_p99_ms": "ms that the generator was late, 99 of 100",
}
"""Every measure, in words."""


class Way(msgspec.Struct, frozen=True):
    """One way of doing the work: each measure's values, round by round."""

    name: str
    measures: dict[str, list[float]]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A ratio that is wanted: `first` over `second`, and the bar, if there is one."""

    measure: str
    first: str
    second: str = ""
    """Nothing: the first's own value is held against the bar."""
    at_least: float | None = None
    at_most: float | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an Ask. `met` is null without a bar."""

    measure: str
    first: str
    second: str
    ratio: float
    ratios: list[float]
    at_least: float | None = None
    at_most: float | None = None
    met: bool | None = None


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """A plot of one measure over a number that some of the ways differ in."""

    over: str
    """What the number counts, in words."""
    measure: str
    lines: dict[str, list[tuple[float, str]]]
    """By the line's name: the number, and the way whose median stands there."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One case of a benchmark, finished."""

    bench: str
    case: str
    settings: dict[str, Any]
    ways: tuple[Way, ...]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader must know about the figures."""
    curves: tuple[Curve, ...] = ()
    run: dict[str, Any] = {}
    """Of the run that it comes from: form, commit, when it began, load. A report may hold parts of several."""

    @property
    def key(self) -> tuple[str, str]:
        """The same case of another run has the same."""
        return (self.bench, self.case)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A run. `complete` is false while it goes on, and stays so when it was interrupted or a part failed."""

    v: Literal[1] = 1
    form: str
    seed: int
    machine: dict[str, Any]
    began: str
    wanted: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    failed: dict[str, str] = {}
    """Benchmarks that did not come to their end, and why."""
    complete: bool = False

    @property
    def are_all_met(self) -> bool:
        """Whether no bar was missed."""
        return all(verdict.met is not False for part in self.parts for verdict in part.verdicts)


def make_part(
    bench: str,
    case: str,
    *,
    settings: Mapping[str, Any],
    ways: Sequence[Way],
    asks: Sequence[Ask] = (),
    notes: Sequence[str] = (),
    curves: Sequence[Curve] = (),
) -> Part:
    """Judge what was measured. All ways that are compared have equally many rounds."""
    by_name = {way.name: way for way in ways}
    verdicts = tuple(_judge(ask, by_name) for ask in asks)
    rounded = tuple(
        Way(way.name, {m: [_round(v) for v in values] for m, values in way.measures.items()}) for way in ways
    )
    return Part(
        bench=bench, case=case, settings=dict(settings), ways=rounded, verdicts=verdicts, notes=tuple(notes),
        curves=tuple(curves),
    )  # fmt: skip


def _judge(ask: Ask, ways: Mapping[str, Way]) -> Verdict:
    ratios = ways[ask.first].measures[ask.measure]
    if ask.second:
        ratios = [a / b if b else 0.0 for a, b in zip(ratios, ways[ask.second].measures[ask.measure], strict=True)]
    ratio = statistics.median(ratios)
    met = None
    if ask.at_least is not None or ask.at_most is not None:
        met = (ask.at_least is None or ratio >= ask.at_least) and (ask.at_most is None or ratio <= ask.at_most)
    return Verdict(
        measure=ask.measure, first=ask.first, second=ask.second, ratio=round(ratio, 4),
        ratios=[round(value, 4) for value in ratios], at_least=ask.at_least, at_most=ask.at_most, met=met,
    )  # fmt: skip


def pair_of(verdict: Verdict) -> str:
    """What was compared, in words."""
    return f"{verdict.first} / {verdict.second}" if verdict.second else verdict.first


def bar_of(verdict: Verdict) -> str:
    """The bar in words, or nothing."""
    if verdict.at_least is not None:
        return f"≥ {verdict.at_least:g}"
    return f"≤ {verdict.at_most:g}" if verdict.at_most is not None else ""


def spread_of(values: Sequence[float]) -> str:
    """Median and range, as people read figures."""
    return f"{shown(statistics.median(values))} ({shown(min(values))}–{shown(max(values))})"


def shown(value: float) -> str:
    """Three significant digits; thousands as such."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def middle(way: Way, measure: str) -> float:
    """The median over the rounds."""
    return statistics.median(way.measures[measure])


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed. `values` are sorted, at least one."""
    return values[min(len(values) - 1, int(share * len(values)))]


def _round(value: float) -> float:
    return float(f"{value:.6g}")
