"""What rows carry beside places: names, and the ranks of before. Both come from the archive, each by one statement for
all rows of an answer, and are left out while it is away: a place does not wait for them."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from contracts.clock import monotonic_s
from contracts.ids import PeriodId, UserId
from gateway.movements import Movements
from gateway.postgres_closed import ArchiveAway, ClosedBoards
from gateway.ranked import RankedRow
from gateway.read_answers import Beside, Names

PAUSE_S: Final = 2.0
"""Nothing is asked for so long after the archive did not answer: a page need not wait for it each time."""


class BesideReader:
    """One per gateway; any number of tasks may ask."""

    def __init__(self, archive: ClosedBoards, movements: Movements) -> None:
        """`movements` are kept by a MovementReader; here users beyond the tops are added to them."""
        self._archive = archive
        self._movements = movements
        self._paused_until_s = 0.0

    async def of_rows(self, period: PeriodId, rows: Iterable[RankedRow]) -> Beside:
        """What these rows carry on a running board; names that came with a row are not asked for."""
        shown = [each.row for each in rows]
        users = [row.user_id for row in shown]
        names, _ = await asyncio.gather(
            self._names([row.user_id for row in shown if isinstance(row.name, bool)]),
            self._learn(period, users),
        )
        return Beside(names, self._movements.previous_of(period, users))

    async def names_of_rows(self, rows: Iterable[RankedRow]) -> Names:
        """Only the names."""
        return await self._names([each.row.user_id for each in rows if isinstance(each.row.name, bool)])

    async def _names(self, users: Sequence[UserId]) -> Names:
        if not users or self._is_paused():
            return {}
        try:
            return await self._archive.names(users)
        except ArchiveAway:
            self._pause()
            return {}

    async def _learn(self, period: PeriodId, users: Sequence[UserId]) -> None:
        day, unknown = self._movements.day, self._movements.unknown_beyond(period, users)
        if day is None or not unknown or self._is_paused():
            return
        try:
            self._movements.learn_beyond(day, unknown, ranks=await self._archive.ranks_of(day, unknown))
        except ArchiveAway:
            self._pause()

    def _is_paused(self) -> bool:
        return not self._archive.exists or monotonic_s() < self._paused_until_s

    def _pause(self) -> None:
        self._paused_until_s = monotonic_s() + PAUSE_S
