"""One partition's archive against the log's count, at the archive's own offset (scores_next)."""

from collections.abc import Sequence

import asyncpg

from audit.closed_boards import CLOSED, ClosedBoard, FinalCells, closed_differences
from audit.compare import Difference, PartitionCheck
from audit.log_count import LogCount
from audit.log_scores import Cell
from audit.postgres_rows import ArchivedRows, read_archive
from audit.tables import SCORES, Table
from contracts.ids import Offset, Partition, PeriodId
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.settings import CommonSettings
from shardboard.verify.report import StoreReport, store_report
from shardboard.verify.report import found as as_told

STORE = "postgres"
USERS_PER_QUERY = 5_000
_CLOSED = "SELECT period, ends FROM closed_periods ORDER BY period"
_RANKED = "SELECT user_id, score, scored_at FROM leaderboards WHERE period = $1 AND user_id = ANY ($2)"


class Archive:
    """The connection, opened at the first read; the archive may be away or empty, which is a verdict of its own."""

    def __init__(self, common: CommonSettings) -> None:
        self._common = common
        self._connection: Connection | None = None

    @property
    def is_configured(self) -> bool:
        """Whether there is a Postgres at all."""
        return bool(self._common.postgres_url)

    async def read(self, partition: Partition, *, is_deep: bool) -> ArchivedRows | str:
        """What is archived of a partition, or why that cannot be told."""
        try:
            if self._connection is None or self._connection.is_closed():
                self._connection = await connect(self._common.postgres_url, name="shardboard-verify")
            rows = await read_archive(self._connection, partition, rules=self._common.rules, is_deep=is_deep)
        except AWAY as error:
            return f"Postgres does not answer: {error or type(error).__name__}"
        except asyncpg.PostgresError as error:
            return f"Postgres cannot be read: {error}"
        return "nothing of it is archived yet" if rows is None else rows

    async def closed(self, partition: Partition) -> list[ClosedBoard] | str:
        """The boards that were ranked for good, or why that cannot be told."""
        assert self._connection is not None, "read first"
        try:
            rows = await self._connection.fetch(_CLOSED)
        except AWAY as error:
            return f"Postgres does not answer: {error or type(error).__name__}"
        return [ClosedBoard(PeriodId(period), Offset(ends[partition])) for period, ends in rows]

    async def ranked(self, cells: FinalCells) -> dict[str, Cell]:
        """The final scores of the users that the log names. Raises one of AWAY."""
        assert self._connection is not None, "read first"
        users, told = [*cells.shown, *cells.hidden], dict[str, Cell]()
        for first in range(0, len(users), USERS_PER_QUERY):
            some = users[first : first + USERS_PER_QUERY]
            rows = await self._connection.fetch(_RANKED, cells.board.period, some)
            told |= {user: (score, at) for user, score, at in rows}
        return told

    async def close(self) -> None:
        """May be called twice."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()


def compare_archive(
    rows: ArchivedRows, count: LogCount, *, partition: Partition, common: CommonSettings, now_ms: int
) -> StoreReport:
    """The count must stand at the archive's offset."""
    assert count.scores is not None
    check = PartitionCheck(partition, STORE)
    check.totals(count, rows.totals)
    for table, found in rows.tables.items():
        check.rows(count, table, rows=found.items())
    boards = [Table(SCORES, period) for period in sorted(count.scores.boards)]
    for table in [*boards, *(table for table in rows.tables if table.kind != SCORES)]:
        if table.period is not None and table not in rows.tables:
            end_ms = common.calendar.parse(table.period).end_ms
            if end_ms + common.rules.lateness_ms <= now_ms:
                continue  # closed: its ranks are in `leaderboards`
        check.answers(count, table, answers=[(key, None) for key in check.missing(count, table)])
    offset = rows.totals.next_offset
    return store_report(check, from_offset=offset, offset=offset)


async def compare_closed(
    archive: Archive, closed: Sequence[FinalCells], *, partition: Partition, count: LogCount
) -> StoreReport:
    """All closed boards as one store, each at its own offset; the count has passed them all."""
    differences, rows = list[Difference](), 0
    for cells in closed:
        try:
            told = await archive.ranked(cells)
        except AWAY as error:
            return untold(f"Postgres does not answer: {error or type(error).__name__}", store=CLOSED)
        rows += len(told)
        differences += closed_differences(partition, cells, found=told, count=count)
    offsets = [cells.board.offset for cells in closed]
    return StoreReport(
        store=CLOSED,
        verdict="different" if differences else "equal",
        from_offset=min(offsets),
        offset=max(offsets),
        rows=rows,
        differences=len(differences),
        first=as_told(differences[0]) if differences else None,
    )


def untold(reason: str, *, store: str = STORE) -> StoreReport:
    """The archive could not be asked."""
    return StoreReport(store=store, verdict="unknown", reason=reason)
