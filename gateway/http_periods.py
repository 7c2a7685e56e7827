"""GET /periods: which boards there are, when the current ones end, and which closed ones can still be read."""

import asyncio
from typing import Final

from contracts.clock import now_ms
from contracts.ids import PeriodId
from contracts.periods import ALL_TIME, BadPeriod
from contracts.problems import UNKNOWN_PERIOD
from gateway.http_answers import Receive, Scope, Send
from gateway.http_reads import ReadDesk
from gateway.periods_answer import PeriodKind, PeriodsAnswer, closed_of, current_of
from gateway.postgres_closed import ArchiveAway, ClosedBoards
from gateway.problem import Problem
from gateway.read_queries import PeriodsQuery, invalid, parse_periods_query

ARCHIVE_WAIT_S: Final = 1.0
"""What goes on now is known without the archive: the answer does not wait longer for the rest."""


class PeriodsEndpoint:
    """GET /periods, all kinds with their newest closed boards; with `kind` more of them, back from `before`."""

    def __init__(self, desk: ReadDesk, closed: ClosedBoards) -> None:
        self._desk = desk
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Answer one request."""
        await self._desk.answer(send, self._made(scope))

    async def _made(self, scope: Scope) -> PeriodsAnswer | Problem:
        query = parse_periods_query(scope["query_string"])
        if isinstance(query, Problem):
            return query
        calendar, at_ms = self._desk.calendar, now_ms()
        if query.kind is not None and query.kind not in calendar.kinds:
            return Problem(UNKNOWN_PERIOD, f"There is no kind of period {query.kind!r} here.")
        if query.before is not None:
            try:
                if calendar.parse(query.before).kind != query.kind:
                    return invalid("before", "must be a period of the kind")
            except BadPeriod as error:
                return invalid("before", str(error))
        kinds = calendar.kinds if query.kind is None else (query.kind,)
        return PeriodsAnswer(at_ms, tuple([await self._kind(kind, query, at_ms=at_ms) for kind in kinds]))

    async def _kind(self, kind: str, query: PeriodsQuery, *, at_ms: int) -> PeriodKind:
        calendar = self._desk.calendar
        closed = () if kind == ALL_TIME else await self._closed_of(kind, query)
        return PeriodKind(
            kind=kind,
            zone=calendar.zone_of(kind),
            current=current_of(self._desk.periods.current(kind, at_ms), at_ms),
            closed=None if closed is None else closed_of(closed, calendar),
        )

    async def _closed_of(self, kind: str, query: PeriodsQuery) -> "list[tuple[PeriodId, int, int]] | None":
        if not self._closed.exists:
            return []
        try:
            async with asyncio.timeout(ARCHIVE_WAIT_S):
                return await self._closed.closed_of(kind, before=query.before, limit=query.limit)
        except (ArchiveAway, TimeoutError):
            return None
