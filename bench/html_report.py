"""A run as one HTML page with plots, drawn here as SVG: it needs no other file and no network. Pure."""

import statistics
from collections.abc import Iterator
from html import escape
from typing import Final

from bench.line_plot import curve_plot, percentile_plot
from bench.results import MEASURES, Part, Report, Verdict, Way, bar_of, pair_of, shown, spread_of

WIDTH: Final = 640
ROW: Final = 26
LABELS: Final = 190
VALUES: Final = 90
_STYLE: Final = """
:root{color-scheme:light dark;--bar:#3b6fd4;--mark:#d4783b;--line:#8886}
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2.5rem}h3{font-size:1rem;margin-bottom:.3rem}
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}
svg{max-width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:currentColor}
.met{color:#2b8a3e}.missed{color:#d9480f;font-weight:600}.dim{opacity:.7}
"""


def page(report: Report) -> str:
    """The whole page."""
    commit = escape(str(report.machine.get("commit", "unknown")))
    body = "".join(_parts(report))
    state = "" if report.complete else "<p class=missed>The run did not come to its end: these parts were finished.</p>"
    failed = "".join(f"<p class=missed>{escape(name)}: {escape(why)}</p>" for name, why in report.failed.items())
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Shardboard benchmarks, {commit}</title><style>{_STYLE}</style>"
        f"<h1>Shardboard benchmarks</h1>{state}{failed}{_machine(report)}"
        "<p>Bars show the median over the rounds, marks the rounds. Ratios are taken round by round between ways that "
        f"were measured one after the other; the median of them is held against the bar.</p>{body}</html>\n"
    )


def _machine(report: Report) -> str:
    rows = {"form": report.form, "seed": report.seed, "began": report.began, **report.machine}
    cells = "".join(f"<tr><th>{escape(str(k))}<td>{escape(str(v))}" for k, v in rows.items())
    summary = f"{escape(report.form)} form, {escape(report.began)}, machine and versions"
    return f"<details><summary>{summary}</summary><table>{cells}</table></details>"


def _parts(report: Report) -> Iterator[str]:
    bench = ""
    for part in report.parts:
        if part.bench != bench:
            bench = part.bench
            yield f"<h2>{escape(bench)}</h2>"
        yield _part(part)


def _part(part: Part) -> str:
    measures = list(dict.fromkeys(measure for way in part.ways for measure in way.measures))
    known = {**part.settings, **part.run}
    settings = ", ".join(f"{name} {value}" for name, value in known.items())
    plots = "".join(
        f"<p>{escape(MEASURES[measure])}</p>{bars([way for way in part.ways if measure in way.measures], measure)}"
        for measure in measures
    )
    plots = _lines(part) + plots
    verdicts = "".join(f"<tr>{_verdict(verdict)}" for verdict in part.verdicts)
    notes = "".join(f"<p class=dim>{escape(note)}</p>" for note in part.notes)
    return f"<h3>{escape(part.case)}</h3><p class=dim>{escape(settings)}</p>{plots}<table>{verdicts}</table>{notes}"


def _lines(part: Part) -> str:
    """What is better seen as lines: latency by percentile, and what changes with a number."""
    percentiles = percentile_plot(part)
    curves = "".join(
        f"<p>{escape(MEASURES[curve.measure])}, over {escape(curve.over)}</p>{curve_plot(part, curve)}"
        for curve in part.curves
    )
    return (f"<p>ms, by share of the answers</p>{percentiles}" if percentiles else "") + curves


def _verdict(verdict: Verdict) -> str:
    words = f"{pair_of(verdict)}, {MEASURES[verdict.measure]}"
    met = "" if verdict.met is None else "<td class=met>met" if verdict.met else "<td class=missed>missed"
    return f"<td>{escape(words)}<td>{spread_of(verdict.ratios)}<td>{escape(bar_of(verdict))}{met}"


def bars(ways: list[Way], measure: str) -> str:
    """A bar per way up to the median, and a mark for each round."""
    largest = max((max(way.measures[measure]) for way in ways), default=0.0) or 1.0
    scale = (WIDTH - LABELS - VALUES) / largest
    rows = []
    for number, way in enumerate(ways):
        values, y = way.measures[measure], number * ROW
        median = statistics.median(values)
        marks = "".join(
            f"<line x1={x:.1f} x2={x:.1f} y1={y + 4} y2={y + 20} stroke='var(--mark)'/>"
            for x in (LABELS + value * scale for value in values)
        )
        rows.append(
            f"<text x=0 y={y + 16}>{escape(way.name)}</text>"
            f"<rect x={LABELS} y={y + 6} width={median * scale:.1f} height=12 fill='var(--bar)'/>{marks}"
            f"<text x={LABELS + largest * scale + 8:.1f} y={y + 16}>{shown(median)}</text>"
        )
    height = len(ways) * ROW
    return f"<svg viewBox='0 0 {WIDTH} {height}' width={WIDTH} height={height} role=img>{''.join(rows)}</svg>"
