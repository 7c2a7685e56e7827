"""Which ranks of before the entries of boards are compared with: those at the end of the last closed day. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET, UnsetType

from contracts.ids import PeriodId
from gateway.board_bytes import NO_PREVIOUS, PreviousRanks

DAILY: Final = "daily:"
KEPT_FACTOR: Final = 10
"""Users remembered for each one on the daily board: those at its end come and go."""
BEYOND_MAX: Final = 100_000
"""Users of pages who are remembered: some 20 MB."""


@dataclass(slots=True)
class Movements:
    """What is known of one day's end. One owner."""

    day: PeriodId | None = None
    """The last closed day; None: there is none, and nothing to compare with."""
    _of_day: dict[str, int | None] = field(default_factory=dict)
    _of_boards: dict[PeriodId, dict[str, int]] = field(default_factory=dict)
    _beyond: dict[str, int | None] = field(default_factory=dict)
    """As `_of_day`, of users on pages, in the order in which they were looked up."""

    def begin(self, day: PeriodId | None) -> None:
        """Compare with this day from now on."""
        if day != self.day:
            self.day, self._of_day, self._of_boards, self._beyond = day, {}, {}, {}

    def unknown_users(self, boards: Mapping[PeriodId, Iterable[str]]) -> list[str]:
        """Who of the daily boards' users must be looked up on the closed day's board."""
        if self.day is None:
            return []
        users = {user for period, rows in boards.items() if period.startswith(DAILY) for user in rows}
        return sorted(users - self._of_day.keys())

    def unknown_boards(self, boards: Iterable[PeriodId]) -> list[PeriodId]:
        """Which other boards' snapshots must be looked up."""
        if self.day is None:
            return []
        return sorted(period for period in set(boards) - self._of_boards.keys() if not period.startswith(DAILY))

    def forget_others(self, boards: Mapping[PeriodId, Iterable[str]]) -> None:
        """Keep no more users than the boards have: who left may be looked up again."""
        users = {user for period, rows in boards.items() if period.startswith(DAILY) for user in rows}
        if len(self._of_day) > KEPT_FACTOR * len(users) + KEPT_FACTOR:
            self._of_day = {user: rank for user, rank in self._of_day.items() if user in users}

    def learn_users(self, asked: Iterable[str], ranks: Mapping[str, int]) -> None:
        """What the closed day's board says of users."""
        self._of_day = {**self._of_day, **{user: ranks.get(user) for user in asked}}

    def learn_board(self, period: PeriodId, ranks: dict[str, int]) -> None:
        """What a snapshot says; without any there was none."""
        self._of_boards[period] = ranks

    def previous(self, boards: Iterable[PeriodId]) -> dict[PeriodId, PreviousRanks]:
        """What the entries of these boards carry; the closed day's own board is compared with nothing."""
        found: dict[PeriodId, PreviousRanks] = {}
        for period in boards:
            if period.startswith(DAILY):
                if self._of_day and self._is_compared_by_user(period):
                    found[period] = PreviousRanks(self._of_day)
            elif self._of_boards.get(period):
                found[period] = PreviousRanks(self._of_boards[period], are_first_rows=True)
        return found

    # --- pages of any board, beyond the tops ---

    def unknown_beyond(self, period: PeriodId, users: Iterable[str]) -> list[str]:
        """Whom of a page to look up on the closed day's board: nobody, or all whom the tops do not know. One statement
        costs the same, and so none of them is forgotten before the page is made."""
        if not self._is_compared_by_user(period):
            return []
        beyond = {user for user in users if user not in self._of_day}
        return sorted(beyond) if beyond - self._beyond.keys() else []

    def learn_beyond(self, day: PeriodId, asked: Iterable[str], *, ranks: Mapping[str, int]) -> None:
        """What that day's board says of users. Who was looked up longest ago is forgotten."""
        if day != self.day:
            return
        for user in asked:
            self._beyond.pop(user, None)
            self._beyond[user] = ranks.get(user)
        while len(self._beyond) > BEYOND_MAX:
            del self._beyond[next(iter(self._beyond))]

    def previous_of(self, period: PeriodId, users: Iterable[str]) -> PreviousRanks:
        """What a page's entries carry."""
        if not period.startswith(DAILY):
            ranks = self._of_boards.get(period)
            return PreviousRanks(ranks, are_first_rows=True) if ranks else NO_PREVIOUS
        if not self._is_compared_by_user(period):
            return NO_PREVIOUS
        known = {user: self._of_day.get(user, self._beyond.get(user, UNSET)) for user in users}
        return PreviousRanks({user: rank for user, rank in known.items() if not isinstance(rank, UnsetType)})

    def _is_compared_by_user(self, period: PeriodId) -> bool:
        return self.day is not None and period.startswith(DAILY) and period > self.day
