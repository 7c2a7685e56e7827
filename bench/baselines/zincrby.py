"""Counting with ZINCRBY alone: pipelined as `redis-benchmark -P 128` does it, from ready bytes; and one at a time, as a
worker does that awaits each. Neither knows of repeats, positions or owners."""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from bench.actions import Poll
from contracts.record import ActionRecord, decode

PIPELINED: Final = 128
CONNECTIONS: Final = 8
"""Enough that the server always has the next one's commands."""
_LINES_PER_REPLY: Final = 2
Increment = tuple[str, int]


def increments(polls: Sequence[Poll]) -> list[Increment]:
    """Who gets how many points."""
    records = (decode(record.value) for poll in polls for some in poll.values() for record in some)
    return [(record.user_id, record.points) for record in records if isinstance(record, ActionRecord)]


def chunks(found: Sequence[Increment], boards: Sequence[str]) -> list[bytes]:
    """What is sent: PIPELINED commands in each."""
    commands = [
        b"*4\r\n$7\r\nZINCRBY\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in (board, points, user))
        for name, sum_ in found
        for user, points in ((name.encode(), b"%d" % sum_),)
        for board in (board.encode() for board in boards)
    ]
    return [b"".join(commands[first : first + PIPELINED]) for first in range(0, len(commands), PIPELINED)]


async def pipelined(port: int, ready: Sequence[bytes]) -> None:
    """Send all chunks, each connection its share, the next one when the one before is answered."""
    await asyncio.gather(*(_send(port, ready[first::CONNECTIONS]) for first in range(CONNECTIONS)))


async def one_at_a_time(redis: Redis, found: Sequence[Increment], *, boards: Sequence[str]) -> None:
    """As a worker's first version."""
    for user, points in found:
        for board in boards:
            await redis.zincrby(board, points, user)


async def _send(port: int, ready: Sequence[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for chunk in ready:
            writer.write(chunk)
            waited = _LINES_PER_REPLY * chunk.count(b"ZINCRBY")
            while waited > 0:
                got = await reader.read(65_536)
                if not got or got.startswith(b"-"):
                    raise ConnectionError(f"the server said {got!r}")
                waited -= got.count(b"\n")
    finally:
        writer.close()
