"""Live streams over HTTP: state first, changes once, slow readers, midnight, the drain."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec
import pytest
from redis.asyncio import Redis

from contracts.clock import now_ms
from tests.integration.gateway.test_redis_boards import ALL, CALENDAR, beat, has_version, write_board
from tests.support.running_gateway import RunningGateway, running_gateway
from tests.support.wait import wait_until

EVENT_S_MAX = 5.0


@dataclass(slots=True)
class Event:
    """One server-sent event; the fields that were absent are None."""

    event: str | None = None
    id: str | None = None
    retry: str | None = None
    data: Any = None


class Stream:
    """A client that reads events one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next_event(self) -> Event | None:
        """The next event, comments left out; None at the end. Fails after a while."""
        found = Event()
        async with asyncio.timeout(EVENT_S_MAX):
            async for line in self.response.content:
                name, _, value = line.decode().rstrip("\n").partition(":")
                if not line.strip():
                    if found != Event():
                        return found
                elif name == "data":
                    found.data = msgspec.json.decode(value)
                elif name:
                    setattr(found, name, value.strip())
        return None

    async def next_board(self) -> dict[str, Any]:
        """The next board's data; who came and went is told before it."""
        event = await self.next_event()
        while event is not None and event.event in ("entered_top", "left_top", "gap"):
            event = await self.next_event()
        assert event is not None
        assert event.event == "board"
        board: dict[str, Any] = event.data
        return board


@asynccontextmanager
async def stream(gateway: RunningGateway, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    async with gateway.http.get(f"{gateway.url}/leaderboard/stream{query}", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        yield Stream(response)


@pytest.fixture
async def fresh(gateway: RunningGateway, valkey: Redis) -> AsyncIterator[RunningGateway]:
    """A gateway with one board, which stays fresh while the test goes on."""
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)])

    async def keep_beating() -> None:
        stop = asyncio.Event()
        while True:
            await beat(valkey)
            try:
                async with asyncio.timeout(0.5):
                    await stop.wait()
            except TimeoutError:
                continue

    beating = asyncio.create_task(keep_beating(), name="merger's heartbeat")
    await wait_until(lambda: _is_fresh(gateway), what="a fresh board")
    yield gateway
    beating.cancel()


async def _is_fresh(gateway: RunningGateway) -> bool:
    body = (await gateway.get("/leaderboard")).json
    return body["version"] == 1 and not body["stale"]


async def test_the_state_comes_first_then_each_change_once(fresh: RunningGateway, valkey: Redis) -> None:
    async with stream(fresh) as live:
        first = await live.next_event()
        assert first is not None
        assert (first.event, first.id) == ("board", "1")
        assert first.data == (await fresh.get("/leaderboard")).json
        await write_board(valkey, ALL, version=2, scores=[("ada", 1)], as_of_ms=5_000)  # nothing that can be seen
        await wait_until(lambda: has_version(fresh, 2))
        await write_board(valkey, ALL, version=3, scores=[("bob", 2), ("ada", 1)])
        entered = await live.next_event()
        assert entered is not None
        assert (entered.event, entered.id, entered.data["user_id"]) == ("entered_top", None, "bob")
        second = await live.next_event()
        assert second is not None
        assert (second.id, [row["user_id"] for row in second.data["entries"]]) == ("3", ["bob", "ada"])


async def test_a_change_reaches_every_stream_of_its_board_and_no_other(fresh: RunningGateway, valkey: Redis) -> None:
    today = CALENDAR.current("daily", now_ms()).id
    async with (
        stream(fresh) as one,
        stream(fresh) as two,
        stream(fresh, "?period=daily") as by_kind,
        stream(fresh, f"?period={today}") as by_id,
    ):
        for live in (one, two, by_kind, by_id):
            await live.next_board()
        assert await fresh.metric("shardboard_sse_clients") == 4
        await write_board(valkey, today, version=5, scores=[("cyd", 5)])
        assert (await by_kind.next_board())["version"] == (await by_id.next_board())["version"] == 5
        await write_board(valkey, ALL, version=6, scores=[("dan", 6)])
        assert (await one.next_board())["version"] == (await two.next_board())["version"] == 6
    await wait_until(lambda: _has_no_clients(fresh), what="the closed streams to be noticed")


async def test_a_client_that_has_the_version_gets_nothing_until_it_changes(
    fresh: RunningGateway, valkey: Redis
) -> None:
    async with stream(fresh, **{"Last-Event-ID": "1"}) as live:
        assert await live.response.content.readline() == b": connected\n"
        await write_board(valkey, ALL, version=2, scores=[("bob", 2)])
        assert (await live.next_board())["version"] == 2
    async with stream(fresh, **{"Last-Event-ID": "1"}) as behind:
        assert (await behind.next_board())["version"] == 2


async def test_who_comes_back_is_told_what_was_missed_or_that_it_is_not_known(
    fresh: RunningGateway, valkey: Redis
) -> None:
    """One stream stays open, so that the gateway remembers what it sent."""
    async with stream(fresh) as staying:
        await staying.next_board()
        for version, scores in ((2, [("bob", 2), ("ada", 1)]), (3, [("bob", 2), ("cyd", 1)])):
            await write_board(valkey, ALL, version=version, scores=scores)
            await staying.next_board()
        for last, expected in (
            ("1", [("entered_top", "bob"), ("entered_top", "cyd"), ("left_top", "ada")]),
            ("2", [("entered_top", "cyd"), ("left_top", "ada")]),
            ("7", [("gap", "7")]),
        ):
            async with stream(fresh, **{"Last-Event-ID": last}) as back:
                told: list[tuple[str | None, str]] = []
                while (event := await back.next_event()) is not None and event.event != "board":
                    told.append((event.event, event.data.get("user_id") or event.data["since"]))
                assert (told, event and event.id) == (expected, "3")


async def test_staleness_is_sent_and_so_is_its_end(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)])
    await wait_until(lambda: _is_fresh(gateway))
    async with stream(gateway) as live:
        assert not (await live.next_board())["stale"]
        stale = await live.next_event()
        assert stale is not None
        assert (stale.data["stale"], stale.id) == (True, "")
        await beat(valkey)
        assert not (await live.next_board())["stale"]


async def test_a_slow_client_gets_the_newest_state_not_every_one(fresh: RunningGateway, valkey: Redis) -> None:
    """The client reads nothing while 600 large boards are written: far more than the sockets between hold. Then it must
    reach the last version after fewer frames than were written."""
    host, port = fresh.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**20)
    writer.write(b"GET /leaderboard/stream HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    last = 3_000
    for version in range(2, last + 1):
        await write_board(valkey, ALL, version=version, scores=[(f"user-{n}-{'x' * 100}", version) for n in range(10)])
    await wait_until(lambda: has_version(fresh, last), timeout_s=30)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    frames, wanted = 0, b'"version":%d,' % last
    async with asyncio.timeout(20):
        async for line in reader:
            frames += line.startswith(b"event: board")
            if wanted in line:
                break
    assert frames < last / 2
    writer.close()


async def test_streams_are_bounded(gateway_env: dict[str, str]) -> None:
    async with running_gateway({**gateway_env, "SHARDBOARD_SSE_CLIENTS_MAX": "1"}) as gateway:
        await wait_until(lambda: has_version(gateway, 0))
        async with stream(gateway):
            refused = await gateway.get("/leaderboard/stream")
            assert (refused.status, refused.code) == (503, "overloaded")
            assert refused.headers["Retry-After"] == "1"
        await wait_until(lambda: _has_no_clients(gateway))
        async with stream(gateway) as again:
            await again.next_board()


async def test_a_drain_ends_each_stream_with_its_own_time_to_return(fresh: RunningGateway) -> None:
    async with stream(fresh) as one, stream(fresh) as two, stream(fresh) as three:
        for live in (one, two, three):
            await live.next_board()
        fresh.stop.set()
        farewells = [await live.next_event() for live in (one, two, three)]
        assert all(farewell is not None and 500 <= int(farewell.retry or 0) <= 5_000 for farewell in farewells)
        assert await one.next_event() is None
    await fresh.serving


async def test_head_says_what_a_stream_would_be_and_ends(gateway: RunningGateway) -> None:
    answer = await gateway.get("/leaderboard/stream", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert await gateway.metric("shardboard_sse_clients") == 0


async def _has_no_clients(gateway: RunningGateway) -> bool:
    return await gateway.metric("shardboard_sse_clients") == 0
