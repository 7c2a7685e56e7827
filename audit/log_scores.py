"""Every user's score on every board of one partition, and the parked ones of hidden users. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from contracts.ids import SCORE_LIMIT, LogMs, PeriodId

Cell = tuple[int, int]
"""Score and scored_at; the latter is 0 until an action counted."""
_NOTHING: Cell = (0, 0)


@dataclass(slots=True)
class LogScores:
    """Scores by board and user. `hidden` holds a user's parked scores by board."""

    boards: dict[PeriodId, dict[str, Cell]] = field(default_factory=dict)
    hidden: dict[str, dict[PeriodId, Cell]] = field(default_factory=dict)

    def add(self, user: str, points: int, *, periods: Iterable[PeriodId], scored_at: LogMs | None) -> bool:
        """Add to all of `periods`, or to none and return False when a score would leave the exact range."""
        parked = self.hidden.get(user)
        changed: dict[PeriodId, Cell] = {}
        for period in periods:
            score, at = (self.boards.get(period, {}).get(user) if parked is None else parked.get(period)) or _NOTHING
            if abs(score + points) >= SCORE_LIMIT:
                return False
            changed[period] = (score + points, at if scored_at is None else scored_at)
        if parked is not None:
            parked.update(changed)
        else:
            for period, cell in changed.items():
                self.boards.setdefault(period, {})[user] = cell
        return True

    def hide(self, user: str, is_open: Callable[[PeriodId], bool]) -> None:
        """Park the user's scores on the boards that still take changes."""
        if user in self.hidden:
            return
        taken = [period for period, rows in self.boards.items() if user in rows and is_open(period)]
        self.hidden[user] = {period: self.boards[period].pop(user) for period in taken}

    def unhide(self, user: str, is_open: Callable[[PeriodId], bool]) -> None:
        """Give parked scores back to the boards that still take changes."""
        for period, cell in self.hidden.pop(user, {}).items():
            if is_open(period):
                self.boards.setdefault(period, {})[user] = cell

    def erase(self, user: str) -> None:
        """Take the user from every board."""
        self.hidden.pop(user, None)
        for rows in self.boards.values():
            rows.pop(user, None)
