"""One partition's archive against the log's count, at the archive's own offset (scores_next)."""

import asyncpg

from audit.compare import PartitionCheck
from audit.log_count import LogCount
from audit.postgres_rows import ArchivedRows, read_archive
from audit.tables import SCORES, Table
from contracts.ids import Partition
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.settings import CommonSettings
from shardboard.verify.report import StoreReport, store_report

STORE = "postgres"


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


def untold(reason: str) -> StoreReport:
    """The archive could not be asked."""
    return StoreReport(store=STORE, verdict="unknown", reason=reason)
