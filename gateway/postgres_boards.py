"""Reads boards from the archive as long as this process has seen none from the cache. Postgres may be away: then there
is nothing to show, and nothing else suffers."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

import asyncpg

from contracts.ids import LogMs, Partition, PeriodId, UserId
from contracts.ranking import TopRow
from contracts.tops import GLOBAL_TOP_ROWS, GlobalTop
from foundation.logs import get_log
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.postgres_mark import check_postgres_mark
from foundation.postgres_sql import statements
from foundation.redis_cluster_mark import ClusterMark
from gateway.archived_boards import ArchivePlace, archived_board
from gateway.board_shelf import BoardShelf

CACHE_GRACE_S: Final = 0.5
"""The cache answers within some ms where it is there: then Postgres is not asked at all."""
REFRESH_S: Final = 3.0
"""As old as a board may be before it is called stale; these are called stale anyway."""
STATEMENT_MS_MAX: Final = 2_000
"""Reading 100 rows by key takes some ms. Where it takes longer, Postgres has better things to do."""
_READ_BY_KEY: Final = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_MS_MAX),
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_sort": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""A planner without statistics might read and sort the whole table, which only an index in the board's order spares."""


class ArchiveReader:
    """Fills the shelf with what stands in. `run` ends when the cache has given the first board."""

    def __init__(
        self,
        url: str,
        shelf: BoardShelf,
        *,
        periods: Callable[[], Iterable[PeriodId]],
        on_change: Callable[[set[PeriodId]], None],
    ) -> None:
        """`periods` gives the boards that are current now."""
        self._url = url
        self._shelf = shelf
        self._periods = periods
        self._on_change = on_change
        self._connection: Connection | None = None
        self._failed = ""
        self.mark: ClusterMark | None = None
        """Which deployment this is, once Kafka told."""

    async def run(self) -> None:
        """Read again and again. Raises Refused when the database belongs to another deployment."""
        await asyncio.sleep(CACHE_GRACE_S)
        try:
            while not self._shelf.has_boards:
                await self._refresh()
                await asyncio.sleep(REFRESH_S)
        finally:
            self._disconnect()

    async def _refresh(self) -> None:
        try:
            boards = await self._read()
        except (*AWAY, asyncpg.PostgresError) as error:
            # A database without the schema, or that refuses us, is as good as none: boards are not its main purpose.
            self._disconnect()
            if self._failed != type(error).__name__:
                get_log().warning("archive_away", error=repr(error))
            self._failed = type(error).__name__
            return
        self._failed = ""
        was_standing_in = self._shelf.has_archived
        changed = self._shelf.put_archived(boards)
        if self._shelf.has_archived and not was_standing_in:
            get_log().warning("boards_from_archive", version=boards[0].version)
        if changed:
            self._on_change(changed)

    async def _read(self) -> list[GlobalTop]:
        if self._connection is None:
            self._connection = await connect(
                self._url, name="shardboard gateway boards", settings=_READ_BY_KEY, command_s=STATEMENT_MS_MAX / 1000
            )
        connection = self._connection
        if self.mark is not None:
            await check_postgres_mark(connection, self.mark)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            place = await _read_place(connection)
            if place.partitions_expected is None:
                return []
            return [
                archived_board(period, await _read_top(connection, period), place=place) for period in self._periods()
            ]

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _read_place(connection: Connection) -> ArchivePlace:
    row = await connection.fetchrow(_sql("place"))
    assert row is not None, "an aggregate has one row"
    return ArchivePlace(**row)


async def _read_top(connection: Connection, period: PeriodId) -> list[TopRow]:
    found = await connection.fetch(_sql("top"), period, GLOBAL_TOP_ROWS)
    return [
        TopRow(UserId(user), score, LogMs(scored_at), Partition(partition), name)
        for user, score, scored_at, partition, name in found
    ]


def _sql(name: str) -> str:
    return statements("gateway", "boards.sql")[name]
