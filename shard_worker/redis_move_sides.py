"""The two sides of a move, as its mover talks to them: the source is fenced and read, both are compared.

Each side has a connection of its own, which one task uses. Raises RedisError when a reply is lost.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final, Literal

from contracts.ids import Epoch, Partition
from contracts.progress import Progress
from shard_worker.move_pages import (
    ROWS_MAX,
    Digest,
    Inventory,
    Page,
    Request,
    Walk,
    difference,
    parse_inventory,
)
from shard_worker.move_steps import Event, Order
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import BadReply

FENCE: Final = "sb1_fence"
INVENTORY: Final = "sb1_inventory"
READ: Final = "sb1_copy_read"
DIGEST: Final = "sb1_digest"
FORGET: Final = "sb1_forget"
RECOUNTS_MAX: Final = 3
"""How often the sums of a key are taken anew because SCAN returned rows twice: it does so only while a table shrinks,
which one that nobody writes to does once at most."""
_REFUSALS: Final = frozenset({b"REFUSED", b"DAMAGED", b"TOO_LARGE"})

Role = Literal["source", "target"]


class MoveRefused(Exception):
    """The token is not ours any more, or keys are damaged; the message has the server's words."""


class Side:
    """One partition on one of the two shards."""

    def __init__(self, shard: ShardRedis, partition: Partition, *, role: Role) -> None:
        self._shard = shard
        self._partition = partition
        self._role: Role = role

    async def progress(self) -> Progress | None:
        """How the partition stands there."""
        return await self._shard.progress(self._partition)

    async def inventory(self, token: str) -> Inventory:
        """All keys, and the position. Raises MoveRefused."""
        ((_, *fields),) = await self._call([(INVENTORY, (self._role, token))])
        return parse_inventory(fields)

    async def digest(self, token: str, inventory: Inventory) -> Digest:
        """Count, sum and hash of all rows of all keys. Raises MoveRefused."""
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
        while requests := walk.take():
            replies = await self._call([(DIGEST, (self._role, token, *_page(request))) for request in requests])
            for request, reply in zip(requests, replies, strict=True):
                _add(digest, walk, request=request, reply=reply)

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

    def __init__(self, shard: ShardRedis, partition: Partition) -> None:
        super().__init__(shard, partition, role="source")

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
        walk = Walk(inventory)
        ahead = asyncio.create_task(self._read(walk, token, digest=digest), name="read ahead")
        try:
            while (pages := await ahead) is not None:
                ahead = asyncio.create_task(self._read(walk, token, digest=digest), name="read ahead")
                if pages:
                    yield pages
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _read(self, walk: Walk, token: str, *, digest: Digest) -> list[Page] | None:
        requests = walk.take()
        if not requests:
            return None
        pages, replies = [], await self._call([(READ, (token, *_page(request))) for request in requests])
        for request, reply in zip(requests, replies, strict=True):
            rows = _add(digest, walk, request=request, reply=reply)
            if rows:
                pages.append(Page(request.kind, request.key, rows, reply[-1]))
        return pages


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


def _page(request: Request) -> tuple[str, str, str, str]:
    return request.kind, request.key, request.cursor, str(ROWS_MAX)


def _add(digest: Digest, walk: Walk, *, request: Request, reply: Sequence[Any]) -> int:
    """Note one page; how many rows it has, those of the hash beside a board too."""
    _, cursor, rows, companions, first, second, *_ = reply
    walk.seen(request, cursor=cursor.decode(), companions=companions)
    digest.add(request, rows=rows, companions=companions, sums=(first, second))
    return int(rows + companions)


def _bytes(word: bytes | int) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
