"""GET /leaderboard/stream: server-sent events to many clients from one bytes object per board and change.

A topic is a period as it was asked for: `daily` follows the calendar, `daily:2026-11-24` does not. A client that reads
slowly is held back by its own connection and gets the newest state when it is ready again.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from contracts.clock import monotonic_s, now_ms
from contracts.ids import PeriodId, UserId
from contracts.metric_names import BOARD_AGE_SECONDS, SSE_CLIENTS
from contracts.problems import OVERLOADED
from foundation.metrics import Metrics
from gateway.board_bytes import BoardAnswer, answer_of
from gateway.board_query import BoardQuery
from gateway.board_shelf import BoardShelf
from gateway.http_answers import TRANSPORT, Receive, Scope, Send, header_of, send_problem
from gateway.http_boards import RETRY_AFTER, BoardReader
from gateway.http_guard import caller_if_any
from gateway.http_stream_clients import Client, Topic
from gateway.own_place import Watch
from gateway.problem import Problem
from gateway.read_queries import split_user
from gateway.redis_own_places import OwnPlaces
from gateway.settings import PERIODIC_CHECK_S, SSE_BEAT_S, STREAM_LIMIT
from gateway.stream_state import HELLO, beat_bytes, farewell_bytes, first_frame, next_frame
from gateway.token_rules import Caller

RETRY_MS_MIN: Final = 500
RETRY_MS_MAX: Final = 5_000
"""Clients of a gateway that goes down come back spread over some seconds."""
_HEADERS: Final = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class StreamHub:
    """All open streams. `run` watches the clock; the board reader calls `boards_changed`."""

    def __init__(
        self,
        shelf: BoardShelf,
        reader: BoardReader,
        *,
        metrics: Metrics,
        clients_max: int,
        clock_ms: Callable[[], int] = now_ms,
        own_places: OwnPlaces | None = None,
    ) -> None:
        """`own_places` follows the users of streams that name one."""
        self._own_places = own_places
        self._clock_ms = clock_ms
        self._shelf = shelf
        self._reader = reader
        self._clients_max = clients_max
        self._clients = 0
        self._topics: dict[str, Topic] = {}
        self._is_draining = False
        metrics.gauge(SSE_CLIENTS).set_function(lambda: self._clients)
        metrics.gauge(BOARD_AGE_SECONDS).set_function(lambda: shelf.silence_s(monotonic_s()))

    def boards_changed(self, periods: set[PeriodId]) -> None:
        """These boards have a new version."""
        for topic in self._topics.values():
            if topic.board in periods:
                self._refresh(topic)

    async def run(self) -> None:
        """Notice what only the clock changes: the merger's silence, the end of a period, the next heartbeat."""
        beat_at_s = monotonic_s() + SSE_BEAT_S
        while True:
            await asyncio.sleep(PERIODIC_CHECK_S)
            now_s = monotonic_s()
            is_changed = self._shelf.judge_silence(now_s)
            at_ms = self._clock_ms()
            is_beat = now_s >= beat_at_s
            beat_at_s = now_s + SSE_BEAT_S if is_beat else beat_at_s
            for topic in self._topics.values():
                if is_changed or self._reader.periods.resolve(topic.query, at_ms) != topic.board:
                    self._refresh(topic)
                if is_beat:
                    topic.show_life()

    def drain(self) -> None:
        """Say farewell to every client; each stream ends by itself."""
        self._is_draining = True
        for topic in self._topics.values():
            topic.wake_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one stream until the client goes or the gateway drains."""
        split = split_user(scope["query_string"])
        if isinstance(split, Problem):
            return await send_problem(send, split)
        raw_query, user = split
        topic = self._open(raw_query)
        if isinstance(topic, Problem):
            return await send_problem(send, topic)
        if scope["method"] == "HEAD":
            self._close_if_empty(topic)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            return await send({"type": "http.response.body", "body": b""})
        client = Client(scope.get(TRANSPORT))
        client.cursor.resume(topic.frame, header_of(scope, b"last-event-id") or b"", trail=topic.trail)
        topic.add(client)
        self._clients += 1
        watch = None if user is None else self._follow(user, client, topic=topic, caller=caller_if_any(scope))
        watching = asyncio.create_task(_watch(receive, client), name="watch stream")
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": HELLO, "more_body": True})
            return await self._serve(topic, client, send=send)
        finally:
            watching.cancel()
            self._clients -= 1
            topic.remove(client)
            self._close_if_empty(topic)
            if watch is not None and self._own_places is not None:
                self._own_places.remove(watch)

    async def _serve(self, topic: Topic, client: Client, *, send: Send) -> None:
        loop = asyncio.get_running_loop()
        while not client.is_gone:
            piece = client.cursor.take(topic.frame, topic.beat, trail=topic.trail)
            if piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            elif self._is_draining:
                retry_ms = random.randint(RETRY_MS_MIN, RETRY_MS_MAX)  # noqa: S311
                return await send({"type": "http.response.body", "body": farewell_bytes(retry_ms)})
            else:
                client.waiter = loop.create_future()
                await client.waiter
        return None

    def _follow(self, user: UserId, client: Client, *, topic: Topic, caller: Caller | None) -> Watch | None:
        if self._own_places is None:
            return None

        def tell(data: bytes) -> None:
            client.cursor.own = data
            topic.tell(client)

        is_self = caller is not None and caller.subject == user
        watch = Watch(user, board=lambda: topic.board, is_self=is_self, tell=tell)
        self._own_places.add(watch)
        return watch

    def _open(self, raw_query: bytes) -> Topic | Problem:
        query = self._reader.query(raw_query)
        if isinstance(query, Problem):
            return query
        if self._is_draining or self._clients >= self._clients_max:
            said = "goes down" if self._is_draining else f"has its {self._clients_max} live streams"
            return Problem(OVERLOADED, f"This gateway {said}; try again.", headers=(RETRY_AFTER,))
        topic = self._topics.get(query.period)
        if topic is None:
            query = BoardQuery(query.period, STREAM_LIMIT, query.fixed)
            at_ms = self._clock_ms()
            ready = self._reader.ready(query, at_ms)
            if isinstance(ready, Problem):
                return ready
            board = self._reader.periods.resolve(query, at_ms)
            assert not isinstance(board, Problem), "a board was found for it"
            answer = self._answer(board, at_ms)
            topic = Topic(query, board, frame=first_frame(answer, ready.body), beat=beat_bytes(answer))
            self._topics[query.period] = topic
        return topic

    def _refresh(self, topic: Topic) -> None:
        at_ms = self._clock_ms()
        board = self._reader.periods.resolve(topic.query, at_ms)
        if isinstance(board, Problem):
            return
        ready = self._reader.ready(topic.query, at_ms)
        if isinstance(ready, Problem):  # the shelf gave its place to newer boards: the clients keep what they have
            return
        answer = self._answer(board, at_ms)
        frame = next_frame(topic.frame, answer, body=ready.body)
        topic.board, topic.beat = board, beat_bytes(answer)
        if frame is not topic.frame:
            topic.show(frame)

    def _answer(self, board: PeriodId, at_ms: int) -> BoardAnswer:
        top = self._shelf.board(board, is_current=self._reader.periods.is_current(board, at_ms))
        assert top is not None, "its bytes were made from it"
        return answer_of(
            top, STREAM_LIMIT, is_behind=self._shelf.is_stale(board), previous=self._shelf.previous(board)
        )  # fmt: skip

    def _close_if_empty(self, topic: Topic) -> None:
        if len(topic) == 0 and self._topics.get(topic.query.period) is topic:
            del self._topics[topic.query.period]


async def _watch(receive: Receive, client: Client) -> None:
    """Wait until the client disconnects."""
    while (await receive())["type"] != "http.disconnect":
        pass
    client.is_gone = True
    client.wake()
