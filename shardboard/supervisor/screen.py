"""What `up` shows: a live table on a terminal, plain lines elsewhere; afterwards a line for each change."""

import sys
from typing import TYPE_CHECKING, Final, Protocol

from contracts.clock import monotonic_s
from shardboard.supervisor.keeper import Keeper
from shardboard.supervisor.life import State

if TYPE_CHECKING:
    from rich.table import Table

_NAME_WIDTH: Final = 12
_REDRAWS_PER_S: Final = 8


class Screen(Protocol):
    """Told of everything that happens, from the event loop."""

    def begin(self) -> None:
        """Starting begins."""

    def changed(self, keeper: Keeper) -> None:
        """A process has entered another state."""

    def note(self, name: str, text: str) -> None:
        """What a starting process is at."""

    def say(self, text: str) -> None:
        """A whole line or paragraph."""

    def end_start(self) -> None:
        """Starting is over, well or not. May be called twice."""


class PlainScreen:
    """Lines for logs and pipes."""

    def __init__(self) -> None:
        self._began_s = monotonic_s()

    def begin(self) -> None:
        self._began_s = monotonic_s()

    def changed(self, keeper: Keeper) -> None:
        if keeper.life.state not in (State.STARTING, State.STOPPED):
            self.say(change_line(keeper, monotonic_s() - self._began_s))

    def note(self, name: str, text: str) -> None:
        self.say(f"  {name:<{_NAME_WIDTH}} {text}")

    def say(self, text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def end_start(self) -> None:
        pass


class LiveScreen:
    """A table that is redrawn while processes start."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._began_s = monotonic_s()
        self._keepers: dict[str, tuple[Keeper, float]] = {}
        self._notes: dict[str, str] = {}
        self._is_starting = False
        self._spinner = Spinner("dots")
        self._console = Console(highlight=False)
        self._live = Live(console=self._console, get_renderable=self._table, refresh_per_second=_REDRAWS_PER_S)

    def begin(self) -> None:
        self._began_s = monotonic_s()
        self._is_starting = True
        self._live.start()

    def changed(self, keeper: Keeper) -> None:
        took_s = monotonic_s() - self._began_s
        self._notes.pop(keeper.unit.name, None)
        if self._is_starting:
            self._keepers[keeper.unit.name] = (keeper, took_s)
        has_ended = keeper.life.state in (State.WAITING, State.REFUSED)
        if has_ended or (not self._is_starting and keeper.life.state is State.UP):
            self.say(change_line(keeper, took_s))

    def note(self, name: str, text: str) -> None:
        self._notes[name] = text

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def end_start(self) -> None:
        if self._is_starting:
            self._is_starting = False
            self._live.stop()

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, (keeper, took_s) in list(self._keepers.items()):  # rich redraws from a thread of its own
            is_up = keeper.life.state is State.UP
            seconds = took_s if is_up else monotonic_s() - self._began_s
            sign = "[green]✔[/green]" if is_up else self._spinner
            table.add_row(sign, name, f"{seconds:5.1f} s", self._notes.get(name) or keeper.unit.address)
        return table


def make_screen() -> Screen:
    """The one that fits stdout."""
    return LiveScreen() if sys.stdout.isatty() else PlainScreen()


def change_line(keeper: Keeper, since_begin_s: float) -> str:
    """One line for one change."""
    life, name = keeper.life, f"  {keeper.unit.name:<{_NAME_WIDTH}}"
    if life.state is State.UP and life.restarts:
        return f"{name} up again  after restart {life.restarts}  {keeper.unit.address}"
    if life.state is State.UP:
        return f"{name} up        {since_begin_s:5.1f} s  {keeper.unit.address}"
    if life.state is State.WAITING:
        return f"{name} ended     {life.reason}; starting again in {life.delay_s:.0f} s; log: {keeper.unit.log_file}"
    if life.state is State.REFUSED:
        return f"{name} refused   {life.reason}; not started again; log: {keeper.unit.log_file}"
    return f"{name} {life.state}"
