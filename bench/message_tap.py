"""Every publication of every shard, off the wire of the cache's Redis (MONITOR): the cache itself keeps the newest."""

import ast
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from contracts import redis_keys
from contracts.tops import ShardTop, decode_shard_top

CHUNK_BYTES: Final = 2**20
_PUBLISHED: Final = re.compile(rb'"HSET" "' + redis_keys.SHARD_TOPS.encode() + rb'" "[^"]*" (".*")\r?$')


class Tap:
    """What was heard so far."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._heard = bytearray()

    async def listen(self) -> None:
        """Until it is cancelled, or the server ends."""
        while chunk := await self._reader.read(CHUNK_BYTES):
            self._heard += chunk

    def publications(self) -> list[ShardTop]:
        """In the order in which the server carried them out."""
        return [top for line in bytes(self._heard).split(b"\n") if (top := read_line(line)) is not None]


def read_line(line: bytes) -> ShardTop | None:
    """The top that this line of MONITOR shows being written; None if it shows something else."""
    found = _PUBLISHED.search(line)
    # What the server quotes as C does, Python reads as a literal of bytes.
    return decode_shard_top(ast.literal_eval("b" + found[1].decode("ascii"))) if found else None


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[Tap]:
    """Listen from now on, until the block ends."""
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=CHUNK_BYTES)
    writer.write(b"MONITOR\r\n")
    assert (await reader.readline()).startswith(b"+OK"), "the server shows what it does"
    tap = Tap(reader)
    listening = asyncio.create_task(tap.listen(), name="tap")
    try:
        yield tap
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.close()
