"""Reads closed boards from the archive, for ever, and the names of users beyond the tops. Bounded in time."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, cast

import asyncpg

from contracts.board_reads import Row
from contracts.identity import id16_of
from contracts.ids import ActionId, LogMs, Partition, PeriodId, UserId
from contracts.partition_key import cached_partitioner
from foundation.logs import get_log
from foundation.postgres_connect import AWAY, Connection, open_pool
from foundation.postgres_mark import check_postgres_mark
from foundation.postgres_sql import statements
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused
from gateway.board_walk import Mark
from gateway.rank_counts import Place
from gateway.ranked import Ranked, RankedPage, RankedRow
from gateway.receipts import Archived

CONNECTIONS_MAX: Final = 4
STATEMENT_S_MAX: Final = 2.0
"""Everything is read by key: some ms each."""
CLOSED_REMEMBERED_MAX: Final = 10_000
"""Boards known to be closed, which they stay: a century of days."""
ABOVE_ANY_ID: Final = "~"
"""Sorts after every period's id by its bytes."""


class ArchiveAway(Exception):
    """The archive cannot be read; the message says why."""


class ClosedBoards:
    """The archive of this deployment: `mark` tells which that is, None as long as that is not known."""

    def __init__(self, url: str, *, mark: Callable[[], ClusterMark | None]) -> None:
        self._url = url
        self._mark = mark
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self._is_checked = False
        self._partitioner: Callable[[UserId], Partition] | None = None
        self._closed: dict[PeriodId, int] = {}

    @property
    def exists(self) -> bool:
        """Whether this deployment has an archive at all."""
        return bool(self._url)

    def knows(self, period: PeriodId) -> bool:
        """Whether the board was seen to be closed."""
        return period in self._closed

    async def is_closed(self, period: PeriodId) -> bool:
        """Whether the board is closed. Raises ArchiveAway."""
        if period not in self._closed:
            closed_at_ms = await self._value("closed", period)
            if closed_at_ms is None:
                return False
            if len(self._closed) >= CLOSED_REMEMBERED_MAX:
                self._closed.pop(next(iter(self._closed)))
            self._closed[period] = closed_at_ms
        return True

    async def closed_of(self, kind: str, *, before: str | None, limit: int) -> list[tuple[PeriodId, int, int]]:
        """The newest closed boards of a kind: id, when it was closed, users. Raises ArchiveAway."""
        rows = await self._rows("closed_of_kind", f"{kind}:", before or f"{kind}:{ABOVE_ANY_ID}", limit)
        return [(PeriodId(period), closed_at_ms, users) for period, closed_at_ms, users in rows]

    async def names(self, users: Iterable[UserId]) -> dict[UserId, str]:
        """The names of those who have one. Raises ArchiveAway."""
        return {UserId(user): name for user, name in await self._rows("names", list(users))}

    async def ranks_of(self, period: PeriodId, users: Iterable[str]) -> dict[str, int]:
        """The ranks that some users have on a closed board. Raises ArchiveAway."""
        return dict(tuple(row) for row in await self._rows("ranks_of", period, list(users)))

    async def snapshot(self, period: PeriodId, at_ms: int) -> dict[str, int]:
        """The ranks of a running board's first hundred as the archiver noted them last before `at_ms`; none if it did
        not. Raises ArchiveAway."""
        return dict(tuple(row) for row in await self._rows("snapshot", period, at_ms))

    async def outcome(self, user: UserId, action_id: ActionId, *, offset: int | None) -> Archived | None:
        """What came of an action, None if it is not archived yet. Raises ArchiveAway."""
        rows = await self._rows("outcome", id16_of(user, action_id), user, offset)
        return Archived(*rows[0]) if rows else None

    async def ranks(self, period: PeriodId, users: Sequence[UserId], *, wants_above: bool = True) -> Ranked:  # noqa: ARG002
        """As closed. Who is hidden, since whenever, has the place that the score has among the others."""
        partitioner = await self._partitions()
        total: int = await self._value("total", period)
        rows = await self._rows("users", period, [partitioner(user) for user in users], list(users))
        places: dict[UserId, Place] = {}
        for user, score, scored_at, rank, is_hidden, above in rows:
            shown_rank, shown_above, extra = rank, above, 0
            if rank is None:
                first = await self._value("place_of_mark", period, score, -1, "", False)
                shown_rank, extra = first, 1
                better = await self._rows("page_back", period, first, 1)
                shown_above = better[0]["score"] if better else None
            places[UserId(user)] = Place(
                user_id=UserId(user),
                score=score,
                scored_at=LogMs(scored_at),
                rank=shown_rank,
                total=total + extra,
                above=shown_above,
                is_hidden=is_hidden,
                positions=(),
            )
        return Ranked(places, self._closed.get(period))

    async def page(self, period: PeriodId, start: Mark | None, *, limit: int, is_back: bool = False) -> RankedPage:
        """As closed, without those who are hidden now: the page may be shorter then."""
        if start is None:
            place = 2**62 if is_back else 1
        else:
            place = await self._value("place_of_mark", period, start.score, start.scored_at, start.user_id, is_back)
        found = await self._rows("page_back" if is_back else "page", period, place, limit + 1)
        rows = [RankedRow(rank, Row(user, score, LogMs(at))) for rank, user, score, at in found[:limit]]
        hidden = await self._hidden([each.row.user_id for each in rows])
        shown = [each for each in rows if each.row.user_id not in hidden]
        return RankedPage(
            rows=tuple(reversed(shown) if is_back else shown),
            is_end=len(found) <= limit,
            total=await self._value("total", period),
            as_of_ms=self._closed.get(period),
        )

    async def score_at(self, period: PeriodId, rank: int) -> int | None:
        """As closed."""
        score: int | None = await self._value("score_at", period, rank)
        return score

    async def close(self) -> None:
        """Give the connections back at once; may be called twice."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.terminate()

    async def _hidden(self, users: Sequence[UserId]) -> set[UserId]:
        partitioner = await self._partitions()
        return {UserId(user) for (user,) in await self._rows("hidden", [partitioner(u) for u in users], list(users))}

    async def _partitions(self) -> Callable[[UserId], Partition]:
        if self._partitioner is None:
            partitions = await self._value("partitions")
            if partitions is None:
                raise ArchiveAway("No archiver has been there yet.")
            self._partitioner = cached_partitioner(partitions)
        return self._partitioner

    async def _value(self, name: str, *arguments: Any) -> Any:
        rows = await self._rows(name, *arguments)
        return rows[0][0] if rows else None

    async def _rows(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=STATEMENT_S_MAX) as connection:
                if not self._is_checked and (mark := self._mark()) is not None:
                    await check_postgres_mark(cast("Connection", connection), mark)
                    self._is_checked = True
                sql = statements("gateway", "closed.sql")[name]
                return list(await connection.fetch(sql, *arguments, timeout=STATEMENT_S_MAX))
        except (*AWAY, asyncpg.PostgresError, Refused) as error:
            get_log().warning("archive_not_read", statement=name, error=f"{type(error).__name__}: {error}")
            raise ArchiveAway(f"The archive cannot be read: {type(error).__name__}.") from error

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        if not self._url:
            raise ArchiveAway("SHARDBOARD_POSTGRES_URL is not set for the gateway.")
        async with self._opening:
            if self._pool is None:
                self._pool = await open_pool(self._url, name="shardboard gateway", connections_max=CONNECTIONS_MAX)
            return self._pool
