"""Shows on stderr how far a replay of the log is: one line, rewritten, on a terminal; a line now and then elsewhere."""

from typing import Final, TextIO

from contracts.clock import monotonic_s

REWRITE_S: Final = 0.2
LINE_S: Final = 10.0
"""In a log file, six lines a minute show that it goes on."""


class ReplayProgress:
    """Feed it `start` and `counted`; `end` clears the line."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._is_terminal = out.isatty()
        self._total = 0
        self._done = 0
        self._began_s = self._shown_s = monotonic_s()

    def start(self, total: int) -> None:
        """How many records there are; more may come meanwhile."""
        self._total = total
        self._began_s = self._shown_s = monotonic_s()

    def counted(self, more: int) -> None:
        """So many records were counted."""
        self._done += more
        now_s = monotonic_s()
        if now_s - self._shown_s >= (REWRITE_S if self._is_terminal else LINE_S):
            self._shown_s = now_s
            line = progress_line(self._done, self._total, seconds=now_s - self._began_s)
            self._out.write(f"\r\x1b[K{line}" if self._is_terminal else f"{line}\n")
            self._out.flush()

    def end(self) -> None:
        """May be called twice."""
        if self._is_terminal:
            self._out.write("\r\x1b[K")
            self._out.flush()


def progress_line(done: int, total: int, *, seconds: float) -> str:
    """Records, share, rate and the time that is left."""
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {(total - done) / rate:.0f} s left" if rate and total > done else ""
    share = f" ({100 * min(done, total) / total:.0f} %)" if total else ""
    return f"{done:,} of {max(done, total):,} records{share}, {rate:,.0f}/s{left}"
