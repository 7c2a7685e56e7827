"""The two sides of a move, as its mover talks to them: the source is fenced and read, both are compared.

Each side has a connection of its own, which one task uses. Raises RedisError when a reply is lost.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, Final, Literal

from redis.exceptions import ResponseError

from contracts import redis_keys
from contracts.ids import Epoch, Partition
from contracts.progress import Progress, State
from shard_worker.move_pages import Digest, Inventory, Page, Request, Walk, difference, parse_inventory
from shard_worker.move_steps import Event, Order
from shard_worker.redis_move_wire import EXEC, MULTI, Wire, said
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import BadReply

FENCE: Final = "sb1_fence"
INVENTORY: Final = "sb1_inventory"
FORGET: Final = "sb1_forget"
RECOUNTS_MAX: Final = 3
"""How often the sums of a key are taken anew because SCAN returned rows twice: it does so only while a table shrinks,
which one that nobody writes to does once at most."""
_REFUSALS: Final = frozenset({b"REFUSED", b"DAMAGED"})
_STATES: Final[dict[str, tuple[bytes, bytes]]] = {
    "source": (State.OWNED.encode(), b"1"),
    "target": (State.COPYING.encode(), b"0"),
}
"""State and fence of a partition that is the mover's."""

Role = Literal["source", "target"]
Read = list[tuple[Request, Page]]


class MoveRefused(Exception):
    """The token is not ours any more, or keys are damaged; the message has the server's words."""


class Side:
    """One partition on one of the two shards."""

    def __init__(self, shard: ShardRedis, partition: Partition, *, role: Role, wire: Wire) -> None:
        """`wire`: to the same server."""
        self._shard = shard
        self._partition = partition
        self._role: Role = role
        self.wire = wire

    async def progress(self) -> Progress | None:
        """How the partition stands there."""
        return await self._shard.progress(self._partition)

    async def inventory(self, token: str) -> Inventory:
        """All keys, and the position. Raises MoveRefused."""
        ((_, *fields),) = await self._call([(INVENTORY, (self._role, token))])
        return parse_inventory(fields)

    async def digest(self, token: str, inventory: Inventory) -> Digest:
        """Count and hash of all rows of all keys. Raises MoveRefused."""
        digest = Digest()
        await self._walk(digest, Walk(inventory), token=token)
        await self.recount(digest, inventory, token=token)
        return digest

    async def recount(self, digest: Digest, inventory: Inventory, *, token: str) -> None:
        """Take the sums of keys anew of which SCAN returned rows twice. Raises MoveRefused."""
        for _ in range(RECOUNTS_MAX):
            for key in digest.miscounted(inventory):
                del digest.sums[key]
                only = Inventory(inventory.start, 0, {key: inventory.keys[key]})
                await self._walk(digest, Walk(only), token=token)

    async def _walk(self, digest: Digest, walk: Walk, *, token: str) -> None:
        async with aclosing(self._stream(walk, token)) as stream:
            async for read in stream:
                for request, page in read:
                    digest.add(request, page)

    async def _stream(self, walk: Walk, token: str) -> AsyncGenerator[Read, None]:
        """All pages of the walk; the next ones are read while the last ones are used. Raises MoveRefused."""
        ahead = asyncio.create_task(self._read(walk, token), name="read ahead")
        try:
            while read := await ahead:
                ahead = asyncio.create_task(self._read(walk, token), name="read ahead")
                yield read
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, walk: Walk, token: str) -> Read:
        """Some pages in one round trip, each in a transaction that says whose the partition is; none when the walk is
        over. Raises MoveRefused."""
        requests = walk.take()
        if not requests:
            return []
        prefix, progress = (of(self._partition).encode() for of in (redis_keys.partition_prefix, redis_keys.progress))
        whose = (b"HMGET", progress, b"state", b"fenced", b"token", b"epoch")
        commands = [(MULTI, whose, request.command(prefix), EXEC) for request in requests]
        try:
            replies = await self.wire.ask([command for four in commands for command in four])
        except ResponseError as error:  # a key of another type
            raise MoveRefused(f"{self._role}: {error}") from error
        read = []
        for request, (found, reply) in zip(requests, replies[3::4], strict=True):
            if not token or found[:3] != [*_STATES[self._role], token.encode()]:
                raise MoveRefused(f"{self._role}: {said(found)}")
            page, cursor = request.page(reply)
            walk.seen(request, cursor=cursor)
            read.append((request, page))
        return read

    async def _call(self, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Call in one round trip. Raises MoveRefused when one is refused, BadReply."""
        replies = await self._shard.call(self._partition, calls)
        for reply in replies:
            if reply[0] in _REFUSALS:
                raise MoveRefused(f"{self._role}: {b' '.join(map(_bytes, reply)).decode(errors='replace')}")
            if reply[0] != b"OK":
                raise BadReply(f"{calls[0][0]} answered {reply!r}")
        return replies


class Source(Side):
    """The side that is left."""

    def __init__(self, shard: ShardRedis, partition: Partition, *, wire: Wire) -> None:
        super().__init__(shard, partition, role="source", wire=wire)

    async def fence(self, order: Order, token: str) -> tuple[Event, Inventory | None]:
        """Step 1: from here on nobody writes there. Raises MoveRefused when keys are damaged."""
        args = (str(order.epoch), token, str(order.since))
        (reply,) = await self._shard.call(self._partition, [(FENCE, args)])
        match reply:
            case [b"FENCED", *fields]:
                return Event.DONE, parse_inventory(fields)
            case [b"NOTHING", _, _]:
                return Event.FOUND_NOTHING, None
            case [b"AHEAD", _]:
                return Event.NEWER, None
            case [b"DAMAGED", *details]:
                raise MoveRefused(f"source: {b' '.join(details).decode(errors='replace')}")
        raise BadReply(f"{FENCE} answered {reply!r}")

    async def pages(self, token: str, inventory: Inventory, *, digest: Digest) -> AsyncGenerator[list[Page], None]:
        """All rows of all keys, some perhaps twice; the next pages are read while the last ones are used. `digest`
        becomes that of all that was read. Raises MoveRefused."""
        async with aclosing(self._stream(Walk(inventory), token)) as stream:
            async for read in stream:
                for request, page in read:
                    digest.add(request, page)
                if pages := [page for _, page in read if page.words]:
                    yield pages


async def compare(source: Source, target: Side, *, token: str, read: Digest) -> tuple[str | None, Inventory]:
    """Step 4: what differs, or None, and the source's inventory, whose position belongs to what was compared.

    `read` is the digest of all that was read from the source: while the fence and its token are there, nobody changes
    it. Raises MoveRefused.
    """
    there, here = await asyncio.gather(source.inventory(token), target.inventory(token))
    _, written = await asyncio.gather(source.recount(read, there, token=token), target.digest(token, here))
    position = await source.inventory(token)  # still ours after the last look at its rows
    return difference((position, read), (here, written)), position


async def forget(shard: ShardRedis, partition: Partition, *, epoch: Epoch) -> bool:
    """Step 7: remove a shard's leftovers; False when what is there is newer than `epoch`."""
    (reply,) = await shard.call(partition, [(FORGET, (str(epoch),))])
    match reply:
        case [b"OK", _]:
            return True
        case [b"REFUSED", *_]:
            return False
    raise BadReply(f"{FORGET} answered {reply!r}")


def _bytes(word: bytes | int) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
