"""The reading routes beyond the top of boards: ranks of anybody, neighbours, pages, friends; from shards or archive."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Final, TypeVar

import msgspec

from contracts.clock import now_ms
from contracts.ids import UserId
from contracts.periods import Period, PeriodCalendar
from contracts.problems import ARCHIVE_UNAVAILABLE, NOT_FOUND, SHARD_UNAVAILABLE
from gateway.board_bytes import BoardAnswer
from gateway.board_query import CurrentPeriods, unknown_period
from gateway.board_walk import Mark, above_all_of
from gateway.cursors import BadCursor, CursorSigner
from gateway.http_answers import JSON_TYPE, Receive, Scope, Send, id_in, send_answer, send_problem
from gateway.http_bodies import BodyReader, Disconnected
from gateway.http_guard import caller_if_any
from gateway.postgres_beside import BesideReader
from gateway.postgres_closed import ArchiveAway
from gateway.problem import Problem
from gateway.rank_counts import Place
from gateway.ranked import Ranked, RankedPage
from gateway.read_answers import (
    PageAnswer,
    board_answer,
    filtered_answer,
    friends_answer,
    page_answer,
    rank_answer,
    row_of,
)
from gateway.read_queries import (
    RANKS_BODY_BYTES_MAX,
    Target,
    WalkQuery,
    invalid,
    parse_around_query,
    parse_rank_query,
    parse_ranks_body,
    parse_walk_query,
)
from gateway.redis_any_board import AnyBoard, Ranks
from gateway.redis_shards import ShardsAway

RETRY_AFTER: Final = (b"retry-after", b"1")
"""A shard that restarts, or fails over, is back within some seconds."""
_HEADERS: Final = (JSON_TYPE, (b"cache-control", b"no-store"))
_encoder = msgspec.json.Encoder()
_Answer = TypeVar("_Answer")


class ReadDesk:
    """What the reading routes share."""

    def __init__(
        self, boards: AnyBoard, beside: BesideReader, *, calendar: PeriodCalendar, signer: CursorSigner
    ) -> None:
        self.calendar = calendar
        self.periods = CurrentPeriods(calendar)
        self.signer = signer
        self.beside = beside
        self._boards = boards

    async def answer(self, send: Send, made: Awaitable[msgspec.Struct | Problem]) -> None:
        """Send what is made, or the problem; also that of a shard or an archive that is away."""
        try:
            answer = await made
        except ShardsAway as error:
            answer = Problem(SHARD_UNAVAILABLE, str(error), headers=(RETRY_AFTER,))
        except ArchiveAway as error:
            answer = Problem(ARCHIVE_UNAVAILABLE, str(error), headers=(RETRY_AFTER,))
        if isinstance(answer, Problem):
            return await send_problem(send, answer)
        return await send_answer(send, 200, headers=_HEADERS, body=_encoder.encode(answer))

    def period(self, target: Target) -> Period | Problem:
        """The board that is meant now."""
        return self.periods.period_at(target.period, target.fixed, now_ms=now_ms())

    async def read(self, period: Period, read: Callable[[Ranks], Awaitable[_Answer]]) -> tuple[_Answer, bool]:
        """What `read` says of the board, and whether it is closed. Raises ShardsAway, ArchiveAway."""
        return await self._boards.read(period, read, now_ms=now_ms())

    async def place(self, scope: Scope, period: Period) -> tuple[Place, int | None] | Problem:
        """The place of the user in the path, which a hidden user may see of himself, and the log time of it."""
        user = UserId(id_in(scope))
        ranked, _ = await self.read(period, lambda board: board.ranks(period.id, [user]))
        place = _visible(ranked, scope).places.get(user)
        if place is None:
            return Problem(NOT_FOUND, f"There is no such user on the board {period.id}.")
        return place, ranked.as_of_ms


class _QueryEndpoint(ABC):
    """Answers a request that says all in its path and query."""

    def __init__(self, desk: ReadDesk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI
        """Answer one request."""
        await self._desk.answer(send, self._made(scope))

    @abstractmethod
    async def _made(self, scope: Scope) -> msgspec.Struct | Problem: ...


class RankEndpoint(_QueryEndpoint):
    """GET /users/{id}/rank."""

    async def _made(self, scope: Scope) -> msgspec.Struct | Problem:
        target = parse_rank_query(scope["query_string"], self._desk.calendar)
        period = target if isinstance(target, Problem) else self._desk.period(target)
        if isinstance(period, Problem):
            return period
        found = await self._desk.place(scope, period)
        if isinstance(found, Problem):
            return found
        place, as_of_ms = found
        beside = await self._desk.beside.of_rows(period.id, [row_of(place)])
        return rank_answer(period.id, place, beside=beside, as_of_ms=as_of_ms)


class AroundEndpoint(_QueryEndpoint):
    """GET /users/{id}/around."""

    async def _made(self, scope: Scope) -> msgspec.Struct | Problem:
        desk = self._desk
        query = parse_around_query(scope["query_string"], desk.calendar)
        if isinstance(query, Problem):
            return query
        period = desk.period(query.target)
        if isinstance(period, Problem):
            return period
        found = await desk.place(scope, period)
        if isinstance(found, Problem):
            return found
        place, as_of_ms = found
        mark = Mark(place.score, place.scored_at, place.user_id)
        above, below = await asyncio.gather(
            self._side(period, mark, limit=query.before, is_back=True),
            self._side(period, mark, limit=query.after, is_back=False),
        )
        rows = (*above.rows, row_of(place), *below.rows)
        page = RankedPage(rows, is_end=below.is_end, total=place.total, as_of_ms=as_of_ms)
        beside = await desk.beside.of_rows(period.id, rows)
        return page_answer(period.id, page, is_top=above.is_end, beside=beside, signer=desk.signer, now_ms=now_ms())

    async def _side(self, period: Period, mark: Mark, *, limit: int, is_back: bool) -> RankedPage:
        if limit == 0:
            return RankedPage((), is_end=False, total=0, as_of_ms=None)

        async def read(board: Ranks) -> RankedPage:
            return await board.page(period.id, mark, limit=limit, is_back=is_back)

        page, _ = await self._desk.read(period, read)
        return page


class RanksEndpoint:
    """POST /ranks: many users at once, for lists of friends. It reads only."""

    def __init__(self, desk: ReadDesk, bodies: BodyReader) -> None:
        self._desk = desk
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            body = await self._bodies.read_json_of(scope, receive, bytes_max=RANKS_BODY_BYTES_MAX)
        except Disconnected:
            return None
        return await self._desk.answer(send, self._made(scope, body))

    async def _made(self, scope: Scope, body: bytes | Problem) -> msgspec.Struct | Problem:
        asked = body if isinstance(body, Problem) else parse_ranks_body(body, self._desk.calendar)
        if isinstance(asked, Problem):
            return asked
        target, users = asked
        period = self._desk.period(target)
        if isinstance(period, Problem):
            return period
        ranked = await _ranks_of(self._desk, period, users=users, scope=scope)
        beside = await self._desk.beside.of_rows(period.id, map(row_of, ranked.places.values()))
        return friends_answer(period.id, ranked, asked=users, beside=beside)


class WalkEndpoint(_QueryEndpoint):
    """GET /leaderboard with `cursor`, `rank`, `score` or `users`."""

    async def _made(self, scope: Scope) -> msgspec.Struct | Problem:
        desk = self._desk
        query = parse_walk_query(scope["query_string"], desk.calendar)
        if isinstance(query, Problem):
            return query
        if query.cursor is not None:
            return await self._after_cursor(query, query.cursor)
        assert query.target is not None, "only a cursor names the board by itself"
        period = desk.period(query.target)
        if isinstance(period, Problem):
            return period
        if query.users is not None:
            ranked = await _ranks_of(desk, period, users=query.users, scope=scope)
            beside = await desk.beside.of_rows(period.id, map(row_of, ranked.places.values()))
            return filtered_answer(period.id, ranked, beside=beside)
        if query.score is not None:
            return await self._page(period, above_all_of(query.score), limit=query.limit)
        if query.rank is None:
            return await self._top(period, limit=query.limit)
        if query.rank == 1:
            return await self._page(period, None, limit=query.limit)
        return await self._from_rank(period, query.rank, limit=query.limit)

    async def _top(self, period: Period, *, limit: int) -> BoardAnswer | Problem:
        """A board that left memory, as boards in memory are told."""
        page, is_closed = await self._desk.read(period, lambda board: board.page(period.id, None, limit=limit))
        if page.total == 0 and not is_closed:
            return unknown_period(period.id)
        return board_answer(period.id, page, names=await self._desk.beside.names_of_rows(page.rows))

    async def _after_cursor(self, query: WalkQuery, text: str) -> PageAnswer | Problem:
        desk = self._desk
        try:
            cursor = desk.signer.read(text, now_ms=now_ms())
            period = desk.calendar.parse(cursor.period)
        except ValueError as error:
            return invalid("cursor", str(error) if isinstance(error, BadCursor) else "is of a board that is not kept")
        if query.target is not None and query.target.period not in (cursor.period, period.kind):
            return invalid("cursor", f"is of the board {cursor.period}")
        return await self._page(period, cursor.mark, limit=query.limit, is_back=cursor.is_back)

    async def _from_rank(self, period: Period, rank: int, *, limit: int) -> PageAnswer | Problem:
        """From the best of those who share the rank; nobody when the board has fewer users."""
        score, _ = await self._desk.read(period, lambda board: board.score_at(period.id, rank))
        if score is None:
            page, _ = await self._desk.read(period, lambda board: board.page(period.id, None, limit=1, is_back=True))
            return await self._answer(period, RankedPage((), True, page.total, page.as_of_ms), is_top=False)
        return await self._page(period, above_all_of(score), limit=limit)

    async def _page(
        self, period: Period, start: Mark | None, *, limit: int, is_back: bool = False
    ) -> PageAnswer | Problem:
        async def read(board: Ranks) -> RankedPage:
            return await board.page(period.id, start, limit=limit, is_back=is_back)

        page, is_closed = await self._desk.read(period, read)
        if page.total == 0 and not is_closed and period.end_ms <= now_ms():
            return unknown_period(period.id)
        if is_back:  # there is somebody below: the page was asked for from there
            return await self._answer(period, replace(page, is_end=False), is_top=page.is_end)
        is_top = start is None or not page.rows or (page.rows[0].rank == 1 and start.scored_at < 0)
        return await self._answer(period, page, is_top=is_top)

    async def _answer(self, period: Period, page: RankedPage, *, is_top: bool) -> PageAnswer:
        beside = await self._desk.beside.of_rows(period.id, page.rows)
        return page_answer(
            period.id, page, is_top=is_top, beside=beside, signer=self._desk.signer, now_ms=now_ms()
        )  # fmt: skip


async def _ranks_of(desk: ReadDesk, period: Period, *, users: Iterable[UserId], scope: Scope) -> Ranked:
    asked = list(users)

    async def read(board: Ranks) -> Ranked:
        return await board.ranks(period.id, asked, wants_above=False)

    ranked, _ = await desk.read(period, read)
    return _visible(ranked, scope)


def _visible(ranked: Ranked, scope: Scope) -> Ranked:
    """Without the hidden, except who asks."""
    caller = caller_if_any(scope)
    shown = {
        user: place
        for user, place in ranked.places.items()
        if not place.is_hidden or (caller is not None and caller.subject == user)
    }
    return Ranked(shown, ranked.as_of_ms)
