"""Keeps ranks of before that boards are compared with: asks the archive only about users and boards that are new."""

import asyncio
from collections.abc import Callable
from typing import Final, NoReturn

from contracts.ids import PeriodId
from contracts.periods import PeriodCalendar
from gateway.board_shelf import BoardShelf
from gateway.movements import Movements
from gateway.postgres_closed import ArchiveAway, ClosedBoards

REFRESH_S: Final = 2.0
"""How soon a user who is new on a board has the rank of before."""
DAY_LOOKS: Final = 15
"""After so many refreshes it is asked whether another day was closed: twice a minute."""


class MovementReader:
    """One per gateway. `run` is a task; while the archive is away entries keep what they have."""

    def __init__(
        self,
        shelf: BoardShelf,
        archive: ClosedBoards,
        *,
        movements: Movements,
        calendar: PeriodCalendar,
        current: Callable[[], set[PeriodId]],
        on_change: Callable[[set[PeriodId]], None],
    ) -> None:
        """`current` names the boards that are compared: those that go on now."""
        self._shelf = shelf
        self._archive = archive
        self._calendar = calendar
        self._current = current
        self._on_change = on_change
        self._movements = movements

    async def run(self) -> NoReturn:
        """Look again and again."""
        looks = 0
        while True:
            try:
                if looks % DAY_LOOKS == 0:
                    newest = await self._archive.closed_of("daily", before=None, limit=1)
                    self._movements.begin(newest[0][0] if newest else None)
                looks += 1
                await self._refresh()
            except ArchiveAway:
                pass  # ClosedBoards has told
            await asyncio.sleep(REFRESH_S)

    async def _refresh(self) -> None:
        day, movements = self._movements.day, self._movements
        if day is None:
            return
        current = self._current()
        boards = {
            period: [row.user_id for row in top.rows] for period, top in self._shelf.boards.items() if period in current
        }
        movements.forget_others(boards)
        users = movements.unknown_users(boards)
        if users:
            movements.learn_users(users, await self._archive.ranks_of(day, users))
        end_ms = self._calendar.parse(day).end_ms
        for period in movements.unknown_boards(boards):
            movements.learn_board(period, await self._archive.snapshot(period, end_ms))
        changed = self._shelf.put_previous(movements.previous(boards))
        if changed:
            self._on_change(changed)
