"""GET /leaderboard from bytes in memory: a read costs no call to any server."""

from collections import OrderedDict
from typing import Final

from contracts.clock import now_ms
from contracts.metric_names import BOARD_READS
from contracts.periods import PeriodCalendar
from contracts.problems import BOARD_UNAVAILABLE, UNKNOWN_PERIOD
from foundation.metrics import Metrics
from gateway.board_bytes import ReadyBoard, matches
from gateway.board_query import BoardQuery, CurrentPeriods, parse_query, unknown_period
from gateway.board_shelf import BoardShelf
from gateway.http_answers import Endpoint, Receive, Scope, Send, header_of, send_problem
from gateway.http_untasked import in_task
from gateway.problem import Problem
from gateway.read_queries import is_walking

QUERIES_REMEMBERED_MAX: Final = 1_024
"""Real clients ask for a handful; the rest pays for parsing."""
RETRY_AFTER: Final = (b"retry-after", b"1")


class BoardReader:
    """Finds the board that a query means. Shared by GET and the stream."""

    def __init__(self, shelf: BoardShelf, calendar: PeriodCalendar) -> None:
        self._shelf = shelf
        self._calendar = calendar
        self._queries: OrderedDict[bytes, BoardQuery | Problem] = OrderedDict()
        self.periods = CurrentPeriods(calendar)

    def known(self, raw: bytes) -> BoardQuery | Problem | None:
        """What `query` gave for these bytes before."""
        return self._queries.get(raw)

    def query(self, raw: bytes) -> BoardQuery | Problem:
        """`parse_query`, remembered."""
        known = self._queries.get(raw)
        if known is None:
            known = self._queries[raw] = parse_query(raw, self._calendar)
            if len(self._queries) > QUERIES_REMEMBERED_MAX:
                self._queries.popitem(last=False)
        return known

    def ready(self, query: BoardQuery, at_ms: int) -> ReadyBoard | Problem:
        """The board's bytes now."""
        if not (self._shelf.is_loaded or self._shelf.has_archived):
            return _unavailable()
        period = self.periods.resolve(query, at_ms)
        if isinstance(period, Problem):
            return period
        board = self._shelf.made(period, query.limit)
        if board is None:
            is_current = self.periods.is_current(period, at_ms)
            board = self._shelf.ready(period, query.limit, is_current=is_current)
        return board or (unknown_period(query.period) if self._shelf.is_loaded else _unavailable())


def _unavailable() -> Problem:
    return Problem(BOARD_UNAVAILABLE, "This gateway has not reached the cache of boards yet.", headers=(RETRY_AFTER,))


class BoardEndpoint:
    """GET and HEAD /leaderboard. What memory does not have is answered by `beyond`: pages, closed boards."""

    def __init__(self, reader: BoardReader, metrics: Metrics, *, beyond: Endpoint | None = None) -> None:
        self._reader = reader
        self._beyond = beyond
        reads = metrics.counter(BOARD_READS)
        self._full, self._unchanged, self._refused = (reads.labels(status) for status in ("200", "304", "refused"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw = scope["query_string"]
        query = self._reader.known(raw)
        if query is None:
            if self._beyond is not None and is_walking(raw):
                await in_task()
                return await self._beyond(scope, receive, send)
            query = self._reader.query(raw)
        board = query if isinstance(query, Problem) else self._reader.ready(query, now_ms())
        if isinstance(board, Problem):
            if self._beyond is not None and board.kind is UNKNOWN_PERIOD and not isinstance(query, Problem):
                await in_task()
                return await self._beyond(scope, receive, send)  # it may be closed
            self._refused.inc()
            return await send_problem(send, board)
        held = header_of(scope, b"if-none-match")
        if held is not None and matches(held, board.etag):
            self._unchanged.inc()
            await send({"type": "http.response.start", "status": 304, "headers": board.headers_unchanged})
            return await send({"type": "http.response.body", "body": b""})
        self._full.inc()
        await send({"type": "http.response.start", "status": 200, "headers": board.headers})
        return await send({"type": "http.response.body", "body": board.body})
