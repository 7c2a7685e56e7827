"""The client's ledger on disk: what was sent, and what is known of it. Survives a crash of the harness itself.

A line `begun N` is durable before any action below N is sent. Every other line is one outcome: `N ok PARTITION OFFSET`
(offset - where the gateway did not know it), `N refused CODE`, `N unknown`. Numbers without an outcome are unknown.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

AHEAD: Final = 2_000
"""Numbers begun at a time: one fsync for so many actions."""
OK: Final = "ok"
REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"


@dataclass(slots=True)
class Outcomes:
    """What a ledger holds."""

    begun: int = 0
    places: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """Acknowledged: partition and offset."""
    refused: dict[int, str] = field(default_factory=dict)
    unknown: set[int] = field(default_factory=set)

    def settle(self) -> None:
        """What was begun and has no outcome is unknown."""
        known = self.places.keys() | self.refused.keys()
        self.unknown = {number for number in range(self.begun) if number not in known}


class Ledger:
    """One writer. `sync` makes everything durable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.outcomes = read_ledger(path) if path.exists() else Outcomes()
        self.first_free = self.outcomes.begun
        """Numbers below belong to earlier runs: what is unknown of them stays so, for their ids may be forgotten."""
        self._file = path.open("a", encoding="ascii")

    def begin(self, number: int) -> None:
        """Before `number` is sent."""
        if number >= self.outcomes.begun:
            self.outcomes.begun = number + AHEAD
            self._file.write(f"begun {self.outcomes.begun}\n")
            self.sync()

    def acknowledged(self, number: int, *, partition: int, offset: int | None) -> None:
        """A 201."""
        self.outcomes.places[number] = (partition, offset)
        self._file.write(f"{number} {OK} {partition} {'-' if offset is None else offset}\n")

    def refused(self, number: int, code: str) -> None:
        """A 4xx to the first try: it is not in the log."""
        self.outcomes.refused[number] = code
        self._file.write(f"{number} {REFUSED} {code}\n")

    def unknown(self, number: int) -> None:
        """No answer while retrying was safe."""
        self.outcomes.unknown.add(number)
        self._file.write(f"{number} {UNKNOWN}\n")

    def sync(self) -> None:
        """Make it durable."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """At the end."""
        self.sync()
        self._file.close()


def read_ledger(path: Path) -> Outcomes:
    """Read a ledger; a torn last line is what a crash leaves."""
    outcomes = Outcomes()
    for line in path.read_text(encoding="ascii").splitlines(keepends=True):
        if line.endswith("\n"):
            _take(outcomes, line.split())
    outcomes.settle()
    return outcomes


def _take(outcomes: Outcomes, words: list[str]) -> None:
    match words:
        case ["begun", number]:
            outcomes.begun = int(number)
        case [number, "ok", partition, offset]:
            outcomes.places[int(number)] = (int(partition), None if offset == "-" else int(offset))
        case [number, "refused", code]:
            outcomes.refused[int(number)] = code
        case [_, "unknown"]:
            pass
        case _:
            raise ValueError(f"not a ledger's line: {' '.join(words)!r}")
