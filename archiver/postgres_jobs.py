"""The jobs beside the archiver's own work: close boards, take snapshots, sweep shards, retire rows. Again and again."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka.errors import KafkaError

from archiver.closing import due_boards
from archiver.http_metrics import ArchiverMetrics
from archiver.postgres_boards import (
    boards_not_closed,
    close_board,
    closed_boards,
    deployment_of,
    take_snapshot,
)
from archiver.postgres_retention import Retention
from archiver.redis_sweep import Sweep
from archiver.settings import DAY_MS, Settings
from contracts.clock import now_ms
from contracts.ids import Offset, Partition, PeriodId
from foundation.logs import get_log
from foundation.postgres_connect import AWAY, Connection, connect
from foundation.service import StopSignal

COMMAND_S: Final = 600.0
"""Ranking the largest board must fit in; 10 M users take a minute."""

EndOffsets = Callable[[], Awaitable[dict[Partition, Offset] | None]]
"""The ends of all partitions' logs; None when nobody is connected to Kafka."""


class Jobs:
    """One per process; several processes may run the same jobs."""

    def __init__(
        self,
        settings: Settings,
        metrics: ArchiverMetrics,
        *,
        ends: EndOffsets,
        is_following: Callable[[], bool],
        sweep: Sweep,
    ) -> None:
        """`is_following`: whether a session runs, which has checked that the servers are this deployment's."""
        self._settings = settings
        self._metrics = metrics
        self._ends_of_log = ends
        self._is_following = is_following
        self._sweep = sweep
        self._ends: dict[PeriodId, list[Offset]] = {}
        """Of boards that are due: the log's ends, taken after they were. Lost at a restart, then taken anew."""

    async def run(self, stop: StopSignal) -> None:
        """Until `stop` is set. What fails is tried again in the next round."""
        while not await stop.sleep(self._settings.jobs_interval_ms / 1000):
            try:
                await self._round()
            except KafkaError as error:
                get_log().warning("jobs_wait", error=f"{type(error).__name__}: {error}")
            except AWAY as error:
                get_log().warning("jobs_wait", error=f"{type(error).__name__}: {error}")

    async def _round(self) -> None:
        if not self._is_following():
            return
        connection = await connect(self._settings.common.postgres_url, name="shardboard jobs", command_s=COMMAND_S)
        try:
            running = await self._close_boards(connection)
            for period in running:
                await take_snapshot(
                    connection, period, now_ms=now_ms(), interval_ms=self._settings.snapshot_interval_ms
                )
            dropped = await self._sweep.run(await closed_boards(connection), deployment=await deployment_of(connection))
            self._metrics.boards_dropped.inc(dropped)
            await self._retire(connection)
        finally:
            connection.terminate()

    async def _close_boards(self, connection: Connection) -> list[PeriodId]:
        """Close what is final; return the boards that still run."""
        common = self._settings.common
        boards = await boards_not_closed(connection)
        due = due_boards(boards, now_ms=now_ms(), calendar=common.calendar, rules=common.rules)
        new = [period for period in due if period not in self._ends]
        ends = await self._ends_of_log() if new else None
        if ends is not None:
            self._ends |= {period: [ends[partition] for partition in sorted(ends)] for period in new}
        for period in due:
            if period in self._ends and await close_board(connection, period, ends=self._ends[period], now_ms=now_ms()):
                self._metrics.boards_closed.labels(common.calendar.parse(period).kind).inc()
                get_log().info("board_closed", period=period)
        self._ends = {period: ends for period, ends in self._ends.items() if period in due}
        return [period for period in boards if period not in due]

    async def _retire(self, connection: Connection) -> None:
        settings, now = self._settings, now_ms()
        retention = Retention(connection, settings.common.rules)
        await retention.run(
            now,
            raw_before_ms=now - settings.raw_kept_days * DAY_MS,
            snapshots_before_ms=now - settings.snapshots_kept_days * DAY_MS,
        )
        for table, count in retention.retired.items():
            self._metrics.rows_retired.labels(table).inc(count)
