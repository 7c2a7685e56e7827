"""A connection fails soon and once: a call whose reply was lost is not sent again behind the caller's back.
Proved on a real server behind a wire that loses replies."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvloop
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from foundation.redis_connect import connect
from tests.support.wait import wait_until


class Wire:
    """Carries bytes between clients and the server; replies may be cut off or held back."""

    def __init__(self, server_url: str) -> None:
        self._server = urlsplit(server_url)
        self._listener: asyncio.Server | None = None
        self.cuts_replies = False
        self.holds_replies = False

    async def start(self) -> str:
        self._listener = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/0"

    def close(self) -> None:
        assert self._listener is not None
        self._listener.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies, commands = await asyncio.open_connection(self._server.hostname, self._server.port)
        to_server = asyncio.create_task(self._commands(reader, commands), name="commands")
        while data := await replies.read(65536):
            if self.cuts_replies:
                break
            if not self.holds_replies:
                writer.write(data)
        writer.close()
        commands.close()
        await to_server

    async def _commands(self, reader: asyncio.StreamReader, commands: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            commands.write(data)
        commands.close()


@pytest.fixture
async def wire(valkey: Redis, valkey_url: str) -> AsyncIterator[Wire]:
    wire = Wire(valkey_url)
    yield wire
    wire.close()


async def test_a_lost_reply_is_told_and_the_call_is_not_repeated(wire: Wire, valkey: Redis) -> None:
    async with connect(await wire.start()) as client:
        await client.ping()
        wire.cuts_replies = True
        with pytest.raises(RedisConnectionError):
            await client.incr("calls")
    assert await valkey.get("calls") == b"1"


async def test_a_silent_server_is_given_up_within_the_bound_and_the_call_is_not_repeated(
    wire: Wire, valkey: Redis
) -> None:
    async with connect(await wire.start(), socket_timeout_s=0.3) as client:
        await client.ping()
        wire.holds_replies = True
        began_at = time.monotonic()
        with pytest.raises(RedisTimeoutError):
            await client.incr("calls")
        assert time.monotonic() - began_at < 5
    assert await valkey.get("calls") == b"1"


async def test_a_late_reply_is_never_taken_for_the_answer_to_a_later_call(wire: Wire, valkey: Redis) -> None:
    """A caller that is cancelled while its reply is under way leaves no reply behind."""
    async with connect(await wire.start()) as client:
        await client.ping()
        wire.holds_replies = True
        call = asyncio.ensure_future(client.incr("calls"))

        async def has_arrived() -> bool:
            return bool(await valkey.get("calls") == b"1")

        await wait_until(has_arrived, what="the call at the server")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        wire.holds_replies = False
        assert await client.echo("answer") == b"answer"


async def test_nothing_is_connected_before_the_first_command() -> None:
    async with connect("redis://127.0.0.1:1/0") as client:
        with pytest.raises(RedisConnectionError):
            await client.ping()


def test_a_connection_that_was_reset_is_lost_and_no_defect(valkey_url: str) -> None:
    """On uvloop, as the services run: the connection is taken, it is reset, and then it is written to."""

    async def write_to_a_reset_connection() -> None:
        async with connect(valkey_url) as client:
            connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]
            connection._writer.transport.abort()
            with pytest.raises(RedisConnectionError, match="handler is closed"):
                await connection.send_command("PING")
            await client.connection_pool.release(connection)
            assert await client.ping()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(write_to_a_reset_connection())


async def test_a_cancellation_that_comes_while_a_command_goes_out_is_not_lost(
    valkey_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11's wait_for returns as if nothing were when the bytes are out in the same turn of the loop."""

    async def wait_for(sending: Coroutine[Any, Any, None], timeout: float) -> None:  # noqa: ASYNC109
        await sending
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)

    client = connect(valkey_url)
    await client.ping()
    asked = asyncio.ensure_future(client.ping())
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "wait_for", wait_for)
        await asyncio.wait({asked}, timeout=5)
    assert asked.cancelled()
    assert await client.echo("still in step") == b"still in step"
    await client.aclose()
