"""A result as a page in Markdown, docs/benchmarks.md: every bar and what holds it back, then every part. Pure."""

from collections.abc import Iterator
from typing import Final

from bench.bars import Bar, all_bars
from bench.results import MEASURES, Part, Report, Verdict, bar_of, pair_of, shown, spread_of

_HEAD: Final = """# Benchmarks

Made from [a result](benchmarks.json) by `shardboard bench page docs/benchmarks.json > docs/benchmarks.md`; not edited.

Every figure is a median over rounds, with the least and the largest in brackets. Ratios are taken round by round,
between ways that were measured one after the other in the same run, and the median of them is held against the bar.
Latencies are those of a load at a constant rate: one counts from when its request was due, so that a stall is felt by
all requests that were due meanwhile. Ratios compare between machines; absolute figures hardly do.

```sh
shardboard bench all --full --actions FILE --report bench-report   # everything, on a machine that does nothing else
shardboard bench apply --only uniform --add --report bench-report  # one part again; the others stay
shardboard bench page bench-report/results.json                    # this page
```
"""
_NO_BARS: Final = "not measured"


def markdown_page(report: Report) -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_machine(report), *_bars(report), *_parts(report)]).rstrip() + "\n"


def _machine(report: Report) -> Iterator[str]:
    told = report.machine
    where = ", ".join(
        f"{told.get(name)}{unit}" for name, unit in (("cpu", ""), ("cpus", " processors"), ("system", ""))
    )
    versions = ", ".join(f"{name} {told[name]}" for name in told if name not in _NOT_VERSIONS)
    yield f"Measured on: {where}. {versions}. Seed {report.seed}."
    yield ""
    if report.failed:
        yield from (f"**{bench} did not come to its end**: {_cell(why)}\n" for bench, why in report.failed.items())


_NOT_VERSIONS: Final = ("commit", "cpu", "cpus", "system", "load_1min")


def _bars(report: Report) -> Iterator[str]:
    yield "## Bars"
    yield ""
    yield "What is measured: what it is held against, as a ratio where nothing else is said."
    yield ""
    yield "| | bar | found | | what holds it back |"
    yield "|---|---|---|---|---|"
    for bar in all_bars():
        yield from _bar_rows(bar, report)
    yield ""


def _bar_rows(bar: Bar, report: Report) -> Iterator[str]:
    found = bar.verdicts(report)
    if not found:
        yield f"| {_cell(bar.what)} | | {_NO_BARS} | | |"
    for number, (part, verdict) in enumerate(found):
        what = bar.what if len(found) == 1 else f"{bar.what} ({part.case})" if not number else f"… ({part.case})"
        is_missed = verdict.met is False
        met = "" if verdict.met is None else "**missed**" if is_missed else "met"
        yield (
            f"| {_cell(what)} | {bar_of(verdict)} | {spread_of(verdict.ratios)} | {met} "
            f"|{f' {_cell(bar.holds_back)}' if is_missed else ''} |"
        )


def _parts(report: Report) -> Iterator[str]:
    yield "## All parts"
    yield ""
    bench = ""
    for part in report.parts:
        if part.bench != bench:
            bench = part.bench
            yield f"### {bench}"
            yield ""
        yield from _part(part)


def _part(part: Part) -> Iterator[str]:
    measures = list(dict.fromkeys(measure for way in part.ways for measure in way.measures))
    yield f"**{_cell(part.case)}**"
    yield ""
    yield "| | " + " | ".join(MEASURES[measure] for measure in measures) + " |"
    yield "|---" * (len(measures) + 1) + "|"
    for way in part.ways:
        cells = (spread_of(way.measures[m]) if m in way.measures else "" for m in measures)
        yield f"| {_cell(way.name)} | " + " | ".join(cells) + " |"
    yield ""
    if part.verdicts:
        yield from (f"- {_verdict(verdict)}" for verdict in part.verdicts)
        yield ""
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in {**part.settings, **part.run}.items())
    yield "; ".join([*(_cell(note) for note in part.notes), settings]) + "."
    yield ""


def _verdict(verdict: Verdict) -> str:
    told = f"{MEASURES[verdict.measure]}, {_cell(pair_of(verdict))}: {spread_of(verdict.ratios)}"
    return told if verdict.met is None else f"{told}, bar {bar_of(verdict)}: {'met' if verdict.met else '**missed**'}"


def _setting(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(_setting(item) for item in value)
    return shown(value) if isinstance(value, int | float) else _cell(str(value))


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("\n", " ")
