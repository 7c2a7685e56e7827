"""A stream of a kind of period goes over to the next board when the clock says so, without anything else happening."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from contracts.ids import PeriodId
from contracts.periods import PeriodCalendar
from foundation.metrics import Metrics
from gateway.board_shelf import BoardShelf
from gateway.http_answers import Message
from gateway.http_boards import BoardReader
from gateway.http_stream import StreamHub
from tests.support.wait import wait_until
from tests.unit.gateway.test_board_shelf import board

MIDNIGHT_MS = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)


async def test_a_kind_follows_the_clock_and_an_id_does_not() -> None:
    now = [MIDNIGHT_MS - 1]
    shelf = BoardShelf(stale_after_s=1e9, boards_max=10)
    shelf.is_loaded = True
    shelf.put(board(PeriodId("daily:2026-11-24"), 7))
    reader = BoardReader(shelf, PeriodCalendar("all_time,daily"))
    hub = StreamHub(shelf, reader, metrics=Metrics(), clients_max=10, clock_ms=lambda: now[0])
    sent: dict[bytes, bytes] = {b"period=daily": b"", b"period=daily:2026-11-24": b""}

    async def serve(query: bytes) -> None:
        async def receive() -> Message:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

        async def send(message: Message) -> None:
            sent[query] += message.get("body", b"")

        scope: dict[str, Any] = {"method": "GET", "query_string": query, "headers": []}
        await hub(scope, receive, send)

    async with asyncio.TaskGroup() as tasks:
        streams = [tasks.create_task(serve(query)) for query in sent]
        running = tasks.create_task(hub.run())
        await wait_until(lambda: all(b'"version":7' in text for text in sent.values()), what="the board of the day")
        now[0] = MIDNIGHT_MS
        await wait_until(lambda: b"daily:2026-11-25" in sent[b"period=daily"], what="the next day's board")
        hub.drain()
        await asyncio.wait(streams)
        running.cancel()
    assert b"daily:2026-11-25" not in sent[b"period=daily:2026-11-24"]
    assert all(b"retry: " in text for text in sent.values())
