"""Shows a plan on stderr while it is carried out: a table that is redrawn on a terminal, lines elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from shardboard.rebalance.follow import Pace, PlanProgress, progress_text
from shardboard.rebalance.render import render_progress

PLAIN_EVERY_S: Final = 2.0


class Watching:
    """`show` may be called as often as one likes. Use as a context manager."""

    def __init__(self, console: Console, monotonic_s: Callable[[], float]) -> None:
        self._console = console
        self._monotonic_s = monotonic_s
        self._pace = Pace()
        self._shown_s = float("-inf")
        self._last = ""
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: PlanProgress, trouble: str) -> None:
        """One look; `trouble` says why it is an old one."""
        now_s = self._monotonic_s()
        rows_per_s, left_s = self._pace.observe(now_s, progress)
        line = progress_text(progress, rows_per_s=rows_per_s, left_s=left_s) + (f" · {trouble}" if trouble else "")
        if self._live is not None:
            self._live.update(render_progress(progress, line), refresh=True)
        elif line != self._last and now_s - self._shown_s >= PLAIN_EVERY_S and progress.state == "running":
            self._shown_s, self._last = now_s, line
            self._console.print(line, soft_wrap=True)

    def text(self, progress: PlanProgress) -> str:
        """The last line."""
        rows_per_s, left_s = self._pace.observe(self._monotonic_s(), progress)
        return progress_text(progress, rows_per_s=rows_per_s, left_s=left_s)
