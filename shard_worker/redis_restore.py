"""Makes one partition's keys anew, in numbered steps that each leave something safe behind: from the archive, or from
another shard's Redis in a move."""

import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from contracts.ids import Epoch, Partition, ShardId
from contracts.progress import State
from shard_worker.move_pages import Page
from shard_worker.redis_move_wire import PageWriter, Wire
from shard_worker.redis_restore_rows import Chunk
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import BadReply
from shard_worker.restore_steps import Attempt, Event, Loss, Start, Step

WIPE: Final = "sb1_wipe"
WRITE: Final = "sb1_restore_chunk"
OWN: Final = "sb1_own"
TOKEN_BYTES: Final = 12
"""A token must never repeat: 96 random bits."""


class PartitionMaker:
    """One attempt on one partition: `wipe`, `write` any number of times, `own`; each returns what came of it.

    1. wipe: keys gone, progress = (restoring or copying, my epoch, my token, chunks 0). Nobody applies or serves it.
    2. chunks, one by one in order: each counts itself. Stopped here, the next claim finds the state and begins at 1.
    3. own: only with my token and all chunks → owned, at the source's offset. From here on it is a true prefix.
    4. claim, by the session: the writer is set, the log is applied. Stopped before, the next claim does it.

    Raises RedisError when a reply is lost: the call was carried out or not, both are states of this list, and the next
    claim tells which.
    """

    def __init__(
        self,
        shard: ShardRedis,
        partition: Partition,
        *,
        epoch: Epoch,
        shard_id: ShardId,
        state: State = State.RESTORING,
    ) -> None:
        """`state`: COPYING for a move, RESTORING for the partition's owner."""
        self._shard = shard
        self._partition = partition
        self._epoch = epoch
        self._shard_id = shard_id
        self._state = state
        self.token = secrets.token_hex(TOKEN_BYTES)
        """Of this attempt alone."""
        self._chunks = 0
        self._writer: PageWriter | None = None
        self.rows = 0
        """Scores written."""
        self.refusal = ""
        """What Redis said when it refused."""

    async def wipe(self, loss: Loss) -> Event:
        """Step 1."""
        given_up = "" if loss.given_up is None else str(loss.given_up)
        args = (self._state, str(self._epoch), self._shard_id, self.token, self._shard.writer, given_up)
        return self._event(await self._shard.call(self._partition, [(WIPE, args)]))

    async def write(self, chunks: Sequence[Chunk]) -> Event:
        """Step 2, several chunks in one round trip. Any refusal among them ends the attempt."""
        calls = [
            (WRITE, (self._state, self.token, str(self._chunks + n), chunk.kind, chunk.key, *chunk.words))
            for n, chunk in enumerate(chunks)
        ]
        event = self._event(await self._shard.call(self._partition, calls))
        self._chunks += len(chunks)
        self.rows += sum(len(chunk.words) // 2 for chunk in chunks if chunk.key.startswith("scores:"))
        return event

    async def write_pages(self, pages: Sequence[Page], *, wire: Wire) -> Event:
        """Step 2 with pages of a move's source, by plain commands on a connection to the same server."""
        if self._writer is None:
            self._writer = PageWriter(wire, self._partition, token=self.token)
        for page in pages:
            refusal = await self._writer.write(page, chunks=self._chunks)
            if refusal is not None:
                self.refusal = refusal
                return Event.REFUSED
            self._chunks += 1
            self.rows += page.rows
        return Event.DONE

    async def own(self, start: Start) -> Event:
        """Step 3."""
        last = start.last.encode() if start.last is not None else ""
        args: tuple[Any, ...] = (self._state, self.token, str(self._chunks), str(self._epoch),
                                 str(start.next_offset), str(start.log_ms), last, str(start.points),
                                 str(start.counted))  # fmt: skip
        return self._event(await self._shard.call(self._partition, [(OWN, args)]))

    def _event(self, replies: Sequence[Any]) -> Event:
        for reply in replies:
            match reply:
                case [b"OK"]:
                    continue
                case [b"REFUSED" | b"DAMAGED" as word, *details]:
                    said = [detail.decode() for detail in details]
                    self.refusal = f"{word.decode()} {said}"
                    return Event.REFUSED
            raise BadReply(f"restore answered {reply!r}")
        return Event.DONE


async def make(
    maker: PartitionMaker, loss: Loss, *, attempt: Attempt, start: Start, chunks: AsyncIterator[list[Chunk]] | None
) -> AsyncIterator[Attempt]:
    """Carry a planned attempt out, yielding it after each step; stop asking and it is given up where it stands.

    `chunks` None: the state before the log's first record, which is empty.
    """
    attempt = attempt.after(await maker.wipe(loss))
    yield attempt
    if chunks is not None and attempt.step is Step.WRITING:
        async for some in chunks:
            attempt = attempt.after(await maker.write(some), chunks=len(some))
            yield attempt
            if attempt.is_over:
                return
    if attempt.step is Step.WRITING:
        attempt = attempt.after(Event.EXHAUSTED)
        yield attempt
        attempt = attempt.after(await maker.own(start))
        yield attempt
