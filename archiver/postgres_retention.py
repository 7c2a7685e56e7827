"""Deletes what is too old, a bounded number of rows at a time. Several archivers may do so at once."""

from collections import Counter
from typing import Final

from contracts.counting import CAP_DAYS_BEFORE, CountingRules
from contracts.ids import Partition
from foundation.postgres_connect import Connection
from foundation.postgres_sql import statements

ROWS_AT_A_TIME: Final = 5_000
"""One statement: some 50 ms."""
TIMES_MAX: Final = 20
"""Statements per table and partition in one round; the rest waits for the next one."""
CLOSED_SCORES_KEPT_MS: Final = 24 * 3600 * 1000
"""A closed board's scores stay for a day beside its ranks, for whoever compares the two."""


class Retention:
    """One round of `run` after the other; `before…` are unix ms."""

    def __init__(self, connection: Connection, rules: CountingRules) -> None:
        self._connection = connection
        self._window_ms = rules.window_ms
        self.retired: Counter[str] = Counter()
        """Rows deleted, by table."""

    async def run(self, now_ms: int, *, raw_before_ms: int, snapshots_before_ms: int) -> None:
        """Retire everything that is due. Raises one of `postgres_connect.AWAY`."""
        for (partition,) in await self._connection.fetch(_sql("partitions")):
            await self._retire_partition(Partition(partition), raw_before_ms)
        await self._retire("board_snapshots", snapshots_before_ms)
        await self._retire("revoked", now_ms)
        await self._retire_closed_scores(now_ms)

    async def _retire_partition(self, partition: Partition, raw_before_ms: int) -> None:
        await self._retire("actions", partition, raw_before_ms, self._window_ms)
        await self._retire("tombstones", partition, self._window_ms)
        await self._retire("kept", partition)
        await self._retire("caps", partition, CAP_DAYS_BEFORE)

    async def _retire_closed_scores(self, now_ms: int) -> None:
        old = await self._connection.fetch(_sql("closed_with_scores"), now_ms - CLOSED_SCORES_KEPT_MS)
        for (period,) in old:
            if await self._retire("scores", period):
                await self._connection.execute(_sql("forget_board"), period)

    async def _retire(self, table: str, *arguments: int | str) -> bool:
        """Whether nothing is left to delete."""
        for _ in range(TIMES_MAX):
            answer = await self._connection.execute(_sql(table), *arguments, ROWS_AT_A_TIME)
            deleted = int(answer.removeprefix("DELETE "))
            self.retired[table] += deleted
            if deleted < ROWS_AT_A_TIME:
                return True
        return False


def _sql(name: str) -> str:
    return statements("archiver", "retention.sql")[name]
