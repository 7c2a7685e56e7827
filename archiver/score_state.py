"""Everything that one user has on the boards, and what each kind of record does to it: the rules of the function
library in `shard_worker/lua/shardboard.lua`, for one user in plain dicts. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from contracts.ids import SCORE_LIMIT, Id16, PeriodId

Cell = tuple[int, int]
"""A user's score and scored_at on a board."""
IsOpen = Callable[[PeriodId], bool]
"""Whether a board still takes changes."""


@dataclass(slots=True)
class UserState:
    """One user's state; callers change it through its methods only."""

    boards: dict[PeriodId, Cell] = field(default_factory=dict)
    parked: dict[PeriodId, Cell] | None = None
    """Scores of a hidden user, which go on counting; None: the user is shown."""
    erased_at: int = -1
    """Offset of the newest erase."""
    voided: set[Id16] = field(default_factory=set)
    """Of the ids that this flush may void, those that are."""

    def add(self, points: int, periods: Iterable[PeriodId], *, scored_at: int | None) -> bool:
        """Change the score on all of `periods`, or on none and return False when one would leave its bounds."""
        cells = self.boards if self.parked is None else self.parked
        changed: dict[PeriodId, Cell] = {}
        for period in periods:
            score, was_at = cells.get(period, (0, 0))
            if abs(score + points) >= SCORE_LIMIT:
                return False
            changed[period] = (score + points, was_at if scored_at is None else scored_at)
        cells.update(changed)
        return True

    def void(self, points: int, periods: Iterable[PeriodId], *, void16: Id16, void_offset: int) -> int | None:
        """Take the points of one action back, once. Returns by how much the score fell; None: it would leave bounds."""
        if self.erased_at > void_offset or void16 in self.voided:
            return 0
        if not self.add(-points, periods, scored_at=None):
            return None
        self.voided.add(void16)
        return points

    def hide(self, is_open: IsOpen) -> None:
        """Park the scores on open boards."""
        if self.parked is None:
            self.parked = {period: cell for period, cell in self.boards.items() if is_open(period)}
            for period in self.parked:
                del self.boards[period]

    def unhide(self, is_open: IsOpen) -> None:
        """Bring parked scores back to boards that are still open."""
        if self.parked is not None:
            self.boards.update((period, cell) for period, cell in self.parked.items() if is_open(period))
            self.parked = None

    def erase(self, offset: int) -> None:
        """Forget all scores."""
        self.boards.clear()
        self.parked = None
        self.erased_at = offset
