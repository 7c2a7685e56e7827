"""Two ways of doing the same work, measured in turn within one run: A–B–A–B. Machines differ and drift; the ratio of
two neighbouring measurements hardly does."""

import argparse
import asyncio
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter

import uvloop

from bench.results import PER_S, Ask, Part, Way, make_part
from contracts.exit_codes import ExitCode
from foundation.service import UNCOLLECTED_MAX

Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Comparison:
    """What was compared, and each round's measurements in records per second."""

    case: str
    bar: float | None
    """Least ratio that is asked for; None: reported only."""
    ways: tuple[str, str]
    per_s: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))

    @property
    def ratios(self) -> list[float]:
        """First way over second way, round by round."""
        return [a / b for a, b in zip(*self.per_s, strict=True)]

    @property
    def ratio(self) -> float:
        """The median over the rounds."""
        return statistics.median(self.ratios)

    @property
    def is_met(self) -> bool:
        """Whether the bar is reached; one that is not asked for always is."""
        return self.bar is None or self.ratio >= self.bar

    def as_json(self) -> dict[str, object]:
        """Everything, the single rounds too."""
        rates = {
            way: {"median_per_s": round(statistics.median(rounds)), "rounds_per_s": [round(r) for r in rounds]}
            for way, rounds in zip(self.ways, self.per_s, strict=True)
        }
        return {
            "case": self.case,
            "ways": rates,
            "ratio": round(self.ratio, 3),
            "ratios": [round(ratio, 3) for ratio in self.ratios],
            "bar": self.bar,
            "met": self.is_met,
        }

    def as_line(self) -> str:
        """For a person."""
        rates = " · ".join(
            f"{way} {statistics.median(rounds) / 1000:.1f} k/s ({min(rounds) / 1000:.1f}–{max(rounds) / 1000:.1f})"
            for way, rounds in zip(self.ways, self.per_s, strict=True)
        )
        bar = "no bar" if self.bar is None else f"bar {self.bar:.2f}: {'met' if self.is_met else 'MISSED'}"
        spread = f"{min(self.ratios):.2f}–{max(self.ratios):.2f}"
        return f"{self.case}\n    {rates}\n    ratio {self.ratio:.2f} ({spread}), {bar}"


def part_of(bench: str, comparison: Comparison, *, settings: Mapping[str, object], notes: Sequence[str] = ()) -> Part:
    """A comparison as a part of the harness's report."""
    ways = [Way(name, {PER_S: rates}) for name, rates in zip(comparison.ways, comparison.per_s, strict=True)]
    first, second = comparison.ways
    ask = Ask(measure=PER_S, first=first, second=second, at_least=comparison.bar)
    case = comparison.case.removeprefix(f"{bench} · ")
    return make_part(bench, case, settings=settings, ways=ways, asks=[ask], notes=notes)


async def measure(work: Work, records: int) -> float:
    """Records per second. What earlier work left to collect is collected before, and what is to be worked on, which in
    a service does not exist yet, is not gone through by the collector meanwhile; it begins as seldom as there."""
    gc.collect()
    gc.freeze()
    usual = gc.get_threshold()
    gc.set_threshold(UNCOLLECTED_MAX, *usual[1:])
    began_s = perf_counter()
    try:
        await work()
        return records / (perf_counter() - began_s)
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def machine(commit_of: str) -> Mapping[str, object]:
    """Where and on what this was measured; the load tells whether anything else ran. `commit_of` is a folder."""
    found = subprocess.run(
        ["git", "-C", commit_of, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return {
        "commit": found.stdout.strip() or "unknown",
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "load_1min": round(os.getloadavg()[0], 2),
    }


def all_met(comparisons: Sequence[Comparison]) -> bool:
    """Whether every bar is reached."""
    return all(comparison.is_met for comparison in comparisons)


Cases = Callable[[Path, argparse.Namespace], Coroutine[None, None, Sequence[Comparison]]]


def run_and_tell(cases: Cases, options: argparse.Namespace, *, more: str = "") -> int:
    """Run the cases in a folder of their own, and return the exit code. With `--output json` all is told at the end,
    else the cases have been told already, and where they ran follows, with `more`."""
    where = machine(str(Path(__file__).parent))
    with (
        tempfile.TemporaryDirectory(prefix="shardboard-bench-", ignore_cleanup_errors=True) as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,  # as the services
    ):
        found = runner.run(cases(Path(folder), options))
    if options.output == "json":
        answer = {"machine": where, "options": vars(options), "cases": [case.as_json() for case in found]}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        sys.stdout.write(f"{', '.join(f'{name} {value}' for name, value in where.items())}{more}\n")
    return ExitCode.OK if all_met(found) else ExitCode.DIFFERENT


def say(case: Comparison, options: argparse.Namespace) -> None:
    """Tell a person of a case as soon as it has ended."""
    if options.output == "table":
        sys.stdout.write(case.as_line() + "\n")
        sys.stdout.flush()
