"""HTTP as bytes on a socket: for what no client library would send, and for answers that are counted one by one."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from shardboard.embedded.ports import LOOPBACK

ANSWER_S_MAX = 20.0


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer: its status, its headers in lower case, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


async def say(port: int, data: bytes) -> bytes:
    """Send these bytes, then read until the other side closes; nothing if it closed without a word."""
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except ConnectionResetError:
        return b""
    try:
        writer.write(data)
        async with asyncio.timeout(ANSWER_S_MAX):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        await close(writer)


async def close(writer: asyncio.StreamWriter) -> None:
    """Close, whatever the other side did."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


class KeptConnection:
    """One connection that asks again and again, and connects anew when it was closed between two requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> RawAnswer:
        """Send one request; read its answer, which has a length."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(LOOPBACK, self._port)
        reader, writer = self._streams
        writer.write(request)
        async with asyncio.timeout(ANSWER_S_MAX):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {}
            for line in head[1:-2]:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        if headers.get("connection") == "close":
            await self.close()
        return RawAnswer(int(head[0].split(" ")[1]), headers, body)

    async def close(self) -> None:
        """May be called twice."""
        if self._streams is not None:
            writer, self._streams = self._streams[1], None
            await close(writer)
