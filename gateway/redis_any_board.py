"""Reads any board: a running one from the shards, a closed one from the archive. One that has ended is still read from
the shards until it is closed; it goes from there right after, so that what was read then is read again."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol, TypeVar

from contracts.counting import CountingRules
from contracts.ids import PeriodId, UserId
from contracts.periods import Period
from gateway.board_walk import Mark
from gateway.postgres_closed import ClosedBoards
from gateway.ranked import Ranked, RankedPage

CLOCK_SKEW_MS: Final = 60_000
"""A board is closed a minute after it stopped taking actions, by the archiver's clock, which may be ahead of ours."""
_Answer = TypeVar("_Answer")


class Ranks(Protocol):
    """Where boards are read."""

    async def ranks(self, period: PeriodId, users: Sequence[UserId], *, wants_above: bool = True) -> Ranked:
        """The places of these users, hidden ones included."""
        ...

    async def page(self, period: PeriodId, start: Mark | None, *, limit: int, is_back: bool = False) -> RankedPage:
        """The rows after `start` (before it with `is_back`)."""
        ...

    async def score_at(self, period: PeriodId, rank: int) -> int | None:
        """The score of whoever stands at this place; None when so many users are not on the board."""
        ...


class AnyBoard:
    """All boards of a deployment."""

    def __init__(self, running: Ranks, closed: ClosedBoards, *, rules: CountingRules) -> None:
        self._running = running
        self._closed = closed
        self._rules = rules

    async def read(
        self, period: Period, read: Callable[[Ranks], Awaitable[_Answer]], *, now_ms: int
    ) -> tuple[_Answer, bool]:
        """What `read` says of the board, asked of whoever has it; and whether it is closed.

        Raises ShardsAway, ArchiveAway.
        """
        may_be_closed = self._may_be_closed(period, now_ms)
        if may_be_closed and await self._closed.is_closed(period.id):
            return await read(self._closed), True
        answer = await read(self._running)
        if may_be_closed and await self._closed.is_closed(period.id):
            return await read(self._closed), True
        return answer, False

    def _may_be_closed(self, period: Period, now_ms: int) -> bool:
        return self._closed.exists and now_ms + CLOCK_SKEW_MS >= period.end_ms + self._rules.lateness_ms
