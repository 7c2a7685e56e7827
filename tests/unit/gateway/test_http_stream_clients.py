"""A change reaches every open stream, over real connections: at once where they take it, through the task where not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from contracts.ids import PeriodId
from gateway.board_bytes import BoardEntry
from gateway.board_query import BoardQuery
from gateway.http_stream_clients import TOLD_AT_ONCE, Client, Topic
from gateway.stream_state import first_frame
from tests.support.wait import wait_until
from tests.unit.gateway.test_stream_state import BOARD, after, changed

ALL = PeriodId("all_time")
Connect = Callable[[], "asyncio.Future[tuple[Client, asyncio.StreamReader]]"]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes an idle client with a connection, and its other end."""
    async with AsyncExitStack() as ending:

        async def one() -> tuple[Client, asyncio.StreamReader]:
            ours, theirs = socket.socketpair()
            _, writer = await asyncio.open_connection(sock=ours)
            reader, back = await asyncio.open_connection(sock=theirs)
            ending.callback(writer.close)
            ending.callback(back.close)
            client = Client(writer.transport)
            client.waiter = asyncio.get_running_loop().create_future()
            return client, reader

        yield lambda: asyncio.ensure_future(one())


def topic() -> Topic:
    return Topic(BoardQuery("all_time", 10, None), ALL, frame=first_frame(BOARD, b"{}"), beat=b"beat")


def show(shown: Topic, version: int) -> None:
    shown.show(after(shown.frame, changed(version=version, entries=(BoardEntry(1, "a", "A", version),))))


async def told(reader: asyncio.StreamReader) -> bytes:
    """The next chunk."""
    async with asyncio.timeout(5):
        size = int(await reader.readline(), 16)
        return (await reader.readexactly(size + 2))[:-2]


async def test_all_are_told_and_others_get_their_turn_between(connect: Connect) -> None:
    shown, readers = topic(), []
    clients = []
    for _ in range(TOLD_AT_ONCE + 40):
        client, reader = await connect()
        client.cursor.sent_serial = shown.frame.serial
        shown.add(client)
        clients.append(client)
        readers.append(reader)
    show(shown, 12)
    assert sum(client.cursor.sent_serial == 2 for client in clients) == TOLD_AT_ONCE
    show(shown, 13)  # the rest never sees the second one, nobody misses the third
    first, last = [await told(reader) for reader in readers[:2]], [await told(reader) for reader in readers[-40:]]
    assert all(b"id: 12\n" in chunk for chunk in first)
    assert all(b"id: 13\n" in chunk for chunk in last)
    assert [b"id: 13\n" in await told(reader) for reader in readers[:2]] == [True, True]
    await wait_until(lambda: all(client.cursor.sent_serial == 3 for client in clients), what="all to be told")


async def test_a_connection_that_is_not_ready_is_left_to_its_task(connect: Connect) -> None:
    shown = topic()
    client, _ = await connect()
    assert client.transport is not None
    shown.add(client)
    while client.is_ready():
        client.transport.write(b"x" * 2**20)  # nobody reads
    show(shown, 12)
    assert not client.is_idle
    assert client.cursor.sent_serial == 0


async def test_a_closed_connection_and_one_that_is_not_known_wake_the_task(connect: Connect) -> None:
    shown = topic()
    closed, _ = await connect()
    assert closed.transport is not None
    closed.transport.close()
    unknown = Client(None)
    unknown.waiter = asyncio.get_running_loop().create_future()
    for client in (closed, unknown):
        shown.add(client)
    show(shown, 12)
    assert not closed.is_idle
    assert not unknown.is_idle


async def test_a_task_at_work_is_not_overtaken(connect: Connect) -> None:
    shown = topic()
    client, reader = await connect()
    shown.add(client)
    client.wake()
    show(shown, 12)
    assert client.cursor.sent_serial == 0
    client.waiter = asyncio.get_running_loop().create_future()
    show(shown, 13)
    assert b"id: 13\n" in await told(reader)


async def test_a_sign_of_life_goes_to_all_who_have_the_board(connect: Connect) -> None:
    shown = topic()
    has_it, has_it_reader = await connect()
    is_new, is_new_reader = await connect()
    has_it.cursor.sent_serial = shown.frame.serial
    for client in (has_it, is_new):
        shown.add(client)
    shown.show_life()
    assert await told(has_it_reader) == b"beat"
    assert b"event: board\n" in await told(is_new_reader)
    shown.remove(has_it)
    shown.remove(has_it)
    assert len(shown) == 1
