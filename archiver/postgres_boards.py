"""Closes boards and takes snapshots of running ones. Several archivers may try: what is done is done once."""

from collections.abc import Sequence
from typing import Final

from archiver.closing import is_final
from archiver.postgres_migrate import LOCK_CLASS
from contracts.ids import Offset, Partition, PeriodId
from contracts.tops import GLOBAL_TOP_ROWS
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

BOARDS_LOCK: Final = 2
"""Held while a board is copied (closed, or a snapshot of it taken) and while a user is erased: a copy must not bring
back a user whose rows are being deleted. Lasts until the transaction's end."""
SNAPSHOT_ROWS: Final = GLOBAL_TOP_ROWS
"""As the largest `limit` of GET /leaderboard."""


async def boards_not_closed(connection: Connection) -> list[PeriodId]:
    """Boards that had a score and have no closing row, whenever that was."""
    return [PeriodId(period) for (period,) in await connection.fetch(_sql("not_closed"))]


async def close_board(connection: Connection, period: PeriodId, *, ends: Sequence[Offset], now_ms: int) -> bool:
    """Write the final ranks and the closing row, together; False when the scores are not there yet, or it was closed.

    1. Wait for others who close, and for erases. 2. Look at the positions: scores only move on. 3. Ranks. 4. The row.
    5. Commit. Stopped anywhere, nothing is there.
    """
    async with connection.transaction():
        await connection.execute(_sql("lock_boards"), LOCK_CLASS, BOARDS_LOCK)
        if await connection.fetchval(_sql("is_closed"), period):
            return False
        rows = await connection.fetch(_sql("scores_next"))
        if not is_final(ends, {Partition(partition): Offset(scores_next) for partition, scores_next in rows}):
            return False
        await connection.execute(_sql("rank"), period)
        await connection.execute(_sql("close"), period, now_ms, list(ends))
        return True


async def closed_boards(connection: Connection) -> dict[PeriodId, list[Offset]]:
    """Closed boards with the ends of the log that they contain."""
    return {PeriodId(period): ends for period, ends in await connection.fetch(_sql("closed"))}


async def deployment_of(connection: Connection) -> str:
    """The deployment that the database belongs to."""
    return str(await connection.fetchval(_sql("deployment")))


async def take_snapshot(connection: Connection, period: PeriodId, *, now_ms: int, interval_ms: int) -> bool:
    """Note the top of a running board, unless somebody did so within `interval_ms`."""

    async def is_recent() -> bool:
        newest = await connection.fetchval(_sql("newest_snapshot"), period)
        return newest is not None and now_ms - newest < interval_ms

    if await is_recent():
        return False
    async with connection.transaction():
        await connection.execute(_sql("lock_boards"), LOCK_CLASS, BOARDS_LOCK)
        if await is_recent():
            return False
        await connection.execute(_sql("snapshot"), period, now_ms, SNAPSHOT_ROWS)
        return True


def _sql(name: str) -> str:
    return statements("archiver", "boards.sql")[name]
