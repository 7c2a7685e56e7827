"""Results for people on a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.comparing import Compared
from bench.results import MEASURES, Part, Verdict, bar_of, pair_of, shown, spread_of


def part_table(part: Part) -> RenderableType:
    """Each way's measures as median and range, then the ratios."""
    measures = list(dict.fromkeys(measure for way in part.ways for measure in way.measures))
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for measure in measures:
        table.add_column(MEASURES[measure], justify="right")
    for way in part.ways:
        table.add_row(way.name, *(spread_of(way.measures[m]) if m in way.measures else "" for m in measures))
    title = Text(f"{part.bench} · {part.case}", "bold")
    lines = [verdict_text(verdict) for verdict in part.verdicts]
    return Group(title, table, *lines, *(Text(note, "dim") for note in part.notes), Text())


def verdict_text(verdict: Verdict) -> Text:
    """One ratio in a line."""
    told = f"{MEASURES[verdict.measure]}: {pair_of(verdict)} = {spread_of(verdict.ratios)}"
    if verdict.met is None:
        return Text(told)
    return Text(
        f"{told}, bar {bar_of(verdict)}: {'met' if verdict.met else 'MISSED'}", "green" if verdict.met else "red"
    )


def comparison_table(compared: Compared) -> RenderableType:
    """A line per measure; what is beyond the spread is marked."""
    table = Table(box=None, pad_edge=False)
    for name in ("bench", "case", "way", "measure"):
        table.add_column(name)
    for name in (compared.first_commit, compared.second_commit, "second / first", "spread"):
        table.add_column(name, justify="right")
    for change in compared.changes:
        cells = (change.bench, change.case, change.way, MEASURES.get(change.measure, change.measure))
        style = "bold" if change.is_beyond_spread else "dim"
        table.add_row(
            *cells, shown(change.first), shown(change.second), f"{change.ratio:.2f}", f"± {change.spread:.2f}",
            style=style,
        )  # fmt: skip
    warnings = [Text(f"not the same {difference}", "yellow") for difference in compared.differences]
    lonely = [Text(f"only in one: {name}", "dim") for name in compared.only_in_one]
    return Group(*warnings, table, *lonely)
