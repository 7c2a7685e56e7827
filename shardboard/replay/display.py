"""Shows a replay on stderr: a bar with rate and time left on a terminal, a plain line every few seconds elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from shardboard.replay.tally import Summary, Tally

PLAIN_EVERY_S: Final = 2.0
_RATE_OVER_S: Final = 5.0
"""The rate shown is that of the last seconds: long enough to be calm, short enough to follow."""


class RateMeter:
    """Lines per second over the last few seconds. Pure: it is told the time."""

    def __init__(self) -> None:
        self._marks: list[tuple[float, int]] = []

    def observe(self, now_s: float, settled: int) -> float:
        """The rate now; 0 before there are two looks."""
        self._marks.append((now_s, settled))
        while len(self._marks) > 2 and self._marks[1][0] <= now_s - _RATE_OVER_S:
            del self._marks[0]
        (then_s, before), (_, _) = self._marks[0], self._marks[-1]
        return (settled - before) / (now_s - then_s) if now_s > then_s else 0.0


def progress_text(tally: Tally, rate_per_s: float) -> str:
    """Counts, rate and time left, as `1,200/20,000 lines · 3,104/s · 0:06 left · 2 refused`."""
    parts = [f"{tally.settled:,}/{tally.lines:,} lines", f"{rate_per_s:,.0f}/s"]
    if rate_per_s > 0 and tally.settled < tally.lines:
        left_s = round((tally.lines - tally.settled) / rate_per_s)
        parts.append(f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left")
    if tally.refused_count:
        parts.append(f"{tally.refused_count:,} refused")
    return " · ".join(parts)


class Display:
    """`show` may be called as often as one likes. Use as a context manager."""

    def __init__(self, console: Console, monotonic_s: Callable[[], float]) -> None:
        self._console = console
        self._monotonic_s = monotonic_s
        self._meter = RateMeter()
        self._shown_s = monotonic_s()
        self._last = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.is_terminal:
            self._bar = Progress(BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, tally: Tally, trouble: str | None) -> None:
        """Show the counts; `trouble` says why nothing moves."""
        now_s = self._monotonic_s()
        text = progress_text(tally, self._meter.observe(now_s, tally.settled))
        if trouble:
            text += f" · trying again: {trouble}"
        if self._bar is not None:
            if self._task is None:
                self._task = self._bar.add_task(text, total=tally.lines)
            self._bar.update(self._task, completed=tally.settled, description=text)
        elif text != self._last and (now_s - self._shown_s >= PLAIN_EVERY_S or tally.settled >= tally.lines):
            self._shown_s, self._last = now_s, text
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def print_summary(console: Console, summary: Summary) -> None:
    """The summary for people: counts, then each reason of refusal with its first lines."""
    tally = summary.tally
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    rows = [("lines", tally.lines), ("accepted", tally.accepted), ("refused", tally.refused_count)]
    rows += [("acknowledged before", tally.acknowledged_before)] if tally.acknowledged_before else []
    rows += [("blank", tally.blank)] if tally.blank else []
    rows += [("retried", tally.retried)]
    rows += [("not sent or unknown", tally.lines - tally.settled)] if tally.settled < tally.lines else []
    for name, number in rows:
        table.add_row(name, f"{number:,}")
    table.add_row("time", f"{summary.elapsed_s:.1f} s")
    table.add_row("rate", f"{summary.as_json()['rate_per_s']:,.0f}/s")
    console.print(table)
    for refusal in summary.as_json()["refusals"]:
        console.print(f"{refusal['count']:,} refused: {refusal['reason']}", markup=False, highlight=False)
        for example in refusal["examples"]:
            line = f"  line {example['line']:,}: {example['detail']}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
