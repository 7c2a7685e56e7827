"""Looks again and again at the places of users who are followed by streams: one question per board and tick for all of
them. Shards that are away are passed over; the streams keep what they told last."""

import asyncio
from collections.abc import Sequence
from typing import Final, NoReturn

from contracts.ids import PeriodId
from gateway.http_reads import ReadDesk
from gateway.own_place import Watch, Watches, look
from gateway.postgres_closed import ArchiveAway
from gateway.redis_shards import ShardsAway

TICK_S: Final = 0.5
"""How soon a change of the own place shows while few watch."""


class OwnPlaces:
    """One per gateway. `run` is a task."""

    def __init__(self, desk: ReadDesk) -> None:
        self._desk = desk
        self._has_any = asyncio.Event()
        self.watches = Watches()

    def add(self, watch: Watch) -> None:
        """Follow from now on."""
        self.watches.add(watch)
        self._has_any.set()

    def remove(self, watch: Watch) -> None:
        """No more; may be called twice."""
        self.watches.remove(watch)

    async def run(self) -> NoReturn:
        """Look each tick while somebody watches."""
        while True:
            await self._has_any.wait()
            for board, watches in self.watches.next_turn().items():
                await self._look(board, watches)
            if len(self.watches) == 0:
                self._has_any.clear()
            await asyncio.sleep(TICK_S)

    async def _look(self, board: PeriodId, watches: Sequence[Watch]) -> None:
        users = list(dict.fromkeys(watch.user_id for watch in watches))
        try:
            period = self._desk.calendar.parse(board)
            ranked, _ = await self._desk.read(period, lambda source: source.ranks(board, users))
        except (ShardsAway, ArchiveAway):
            return
        for watch in watches:
            look(watch, board, place=ranked.places.get(watch.user_id), as_of_ms=ranked.as_of_ms)
