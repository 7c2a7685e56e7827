"""Two results side by side: what became faster and what slower. Pure."""

import statistics
from collections.abc import Iterator

import msgspec

from bench.results import Report


class Change(msgspec.Struct, frozen=True):
    """One measure of one way in both results, as medians; `spread` is the larger of both relative ranges."""

    bench: str
    case: str
    way: str
    measure: str
    first: float
    second: float
    ratio: float
    spread: float

    @property
    def is_beyond_spread(self) -> bool:
        """Whether it is more than what the rounds of one result differ by among themselves."""
        return abs(self.ratio - 1) > self.spread


class Compared(msgspec.Struct, frozen=True):
    """docs/schemas/bench-compare.json."""

    first_commit: str
    second_commit: str
    differences: tuple[str, ...]
    """Of machine, form and seed: where there are any, absolute figures do not compare."""
    changes: tuple[Change, ...]
    only_in_one: tuple[str, ...]


def compare_reports(first: Report, second: Report) -> Compared:
    """By bench, case, way and measure."""
    old, new = dict(_values(first)), dict(_values(second))
    changes = tuple(_change(key, old=old[key], new=new[key]) for key in old if key in new)
    lonely = tuple(" · ".join(key) for key in sorted(set(old) ^ set(new)))
    told = {"form": (first.form, second.form), "seed": (first.seed, second.seed)}
    told |= {name: (first.machine.get(name), second.machine.get(name)) for name in ("cpus", "system", "python")}
    differences = tuple(f"{name}: {a} and {b}" for name, (a, b) in told.items() if a != b)
    before, after = (str(report.machine.get("commit", "unknown")) for report in (first, second))
    return Compared(before, after, differences, changes, lonely)


def _values(report: Report) -> Iterator[tuple[tuple[str, str, str, str], list[float]]]:
    for part in report.parts:
        for way in part.ways:
            for measure, values in way.measures.items():
                yield (part.bench, part.case, way.name, measure), values


def _change(key: tuple[str, str, str, str], *, old: list[float], new: list[float]) -> Change:
    before, after = statistics.median(old), statistics.median(new)
    ratio = after / before if before else 0.0
    spread = max(_range(old), _range(new))
    return Change(*key, before, after, round(ratio, 4), round(spread, 4))


def _range(values: list[float]) -> float:
    median = statistics.median(values)
    return (max(values) - min(values)) / median if median else 0.0
