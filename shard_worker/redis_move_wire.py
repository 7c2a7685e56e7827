"""Plain commands of a mover on one server, in transactions: pages are read together with whose the partition is, and
written only if nobody changed its progress since it was looked at. Functions would cost the servers three times as
much, because each row would become a value of Lua and back."""

from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Connection, Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.ids import Partition
from contracts.progress import State
from shard_worker.move_pages import Page, Words

PROTOCOL: Final = 2
"""Of the connection: rows with scores come as flat lists of bytes, as the commands that write them take them."""
_HEADS: Final = [b"\r\n$%d\r\n" % length for length in range(1_024)]
"""What stands before an argument of so many bytes, and ends the one before."""
MULTI: Final = (b"MULTI",)
EXEC: Final = (b"EXEC",)
UNWATCH: Final = (b"UNWATCH",)


class Wire:
    """One connection, taken from the client's pool at the first use. One task at a time uses it."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._connection: Connection | None = None

    @property
    def is_open(self) -> bool:
        """Whether what was watched is watched still: a new connection would watch nothing."""
        return self._connection is not None and self._connection.is_connected

    async def ask(self, commands: Sequence[Words]) -> list[Any]:
        """Send all at once; their replies. Raises the first error among them, those inside of a transaction too."""
        connection = await self._connected()
        try:
            await connection.send_packed_command([packed(words) for words in commands])
            replies = [await _reply(connection) for _ in commands]
        except BaseException:  # replies may be under way that nobody awaits
            await self.close()
            raise
        for reply in replies:
            for error in reply if isinstance(reply, list) else [reply]:
                if isinstance(error, Exception):
                    raise error
        return replies

    async def close(self) -> None:
        """May be called twice; the next `ask` opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)
            await self._redis.connection_pool.release(connection)

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.is_connected:
            await self.close()
        if self._connection is None:
            pool: Any = self._redis.connection_pool
            connection = await pool.get_connection()
            assert int(connection.get_protocol()) == PROTOCOL, "rows would come in pairs, scores as numbers"
            self._connection = connection
        return self._connection


class PageWriter:
    """Writes pages into what one wipe began: state `copying`, its token, and as many chunks as were written.

    Each page is a transaction under a WATCH of the partition's progress, which every other writer changes: a second
    wipe, a claim, an own, a roll-back of the server (which ends the connection). Looking for the next page travels
    with the page before.
    """

    def __init__(self, wire: Wire, partition: Partition, *, token: str) -> None:
        self._wire = wire
        self._prefix = redis_keys.partition_prefix(partition).encode()
        progress = redis_keys.progress(partition).encode()
        self._watch = (b"WATCH", progress)
        self._look = (b"HMGET", progress, b"state", b"token", b"chunks", b"epoch")
        self._count = (b"HINCRBY", progress, b"chunks", b"1")
        self._token = token.encode()
        self._found: list[bytes | None] | None = None

    async def write(self, page: Page, *, chunks: int) -> str | None:
        """Write the page after `chunks` others: None, or what the server says because it was not written. Raises
        RedisError when it is unknown whether it was."""
        found, self._found = self._found, None
        if found is None or not self._wire.is_open:
            *_, found = await self._wire.ask([UNWATCH, self._watch, self._look])
        if found[:3] != [State.COPYING.encode(), self._token, b"%d" % chunks]:
            return said(found)
        write = page.command(self._prefix)
        *_, done, _, found = await self._wire.ask([MULTI, write, self._count, EXEC, self._watch, self._look])
        self._found = found
        return None if done is not None else said(found)


def said(found: Sequence[bytes | None]) -> str:
    """What a refusal tells of the progress that was found."""
    return f"REFUSED {[(word or b'').decode(errors='replace') for word in found]}"


def packed(words: Words) -> bytes:
    """A command as it is sent. Of thousands of short words this takes half the time of hiredis."""
    try:
        heads = [_HEADS[length] for length in map(len, words)]
    except IndexError:
        heads = [b"\r\n$%d\r\n" % len(word) for word in words]
    pieces = [b""] * (2 * len(words))
    pieces[::2], pieces[1::2] = heads, words
    return b"*%d%b\r\n" % (len(words), b"".join(pieces))


async def _reply(connection: Connection) -> Any:
    try:
        return await connection.read_response(disable_decoding=True)
    except RedisError as error:
        if not connection.is_connected:
            raise
        return error
