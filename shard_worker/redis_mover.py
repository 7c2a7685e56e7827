"""Receives partitions: carries out the moves to this shard that the map wants, several at a time, and has other shards
forget what this one owns by now. A task beside the session; the map alone tells it what to do."""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
from redis.exceptions import RedisError

from contracts.clock import monotonic_s
from contracts.ids import Partition
from contracts.moves import MoveReport, StoredMap
from foundation.logs import get_log
from foundation.postgres_connect import AWAY
from foundation.redis_cluster_mark import check_cluster_mark
from foundation.redis_connect import connect
from foundation.service import Refused
from shard_worker.move_steps import Leftover, Line, Order, Step, due, leftovers_of, orders_of, strays_of
from shard_worker.redis_move_handover import HandoverTask
from shard_worker.redis_move_sides import forget
from shard_worker.redis_move_tools import MoveTools
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import BadReply

LOOK_S: Final = 1.0
"""Between two looks at the map when nothing tells of a change: the lease may have come back."""
STRAYS_S: Final = 5.0
"""Between two looks at our own Redis while the map stays the same."""
LISTEN_S: Final = 3.0
"""Between two looks at what other workers tell of moves."""
FORGET_AGAIN_S: Final = 5.0
"""Between two tries to remove leftovers: a shard that is gone for good is given up by the operator."""


class RedisMover:
    """The moves to one shard. `run` ends only by being cancelled; then `close`."""

    def __init__(self, tools: MoveTools) -> None:
        self._tools = tools
        self._shard = tools.settings.shard
        self._running: dict[Partition, asyncio.Task[None]] = {}
        self._switched: set[Order] = set()
        """Until the map that we know says so too."""
        self._ended = asyncio.Event()
        self._news = asyncio.Event()
        self._reports: dict[Partition, MoveReport] = {}
        self._tried_s: dict[Leftover, float] = {}
        self._line = Line()
        self._listened_s = float("-inf")

    async def run(self) -> None:
        """Move what is intended, again and again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report(), name="move reports")
            tasks.create_task(self._forget(), name="leftovers")
            while True:
                self._ended.clear()
                stored = self._tools.follower.current
                if stored is not None and self._tools.lease.is_held:
                    await self._listen(stored)
                    orders = due(stored, self._shard, silent=self._line.silent(monotonic_s()))
                    self._switched &= set(orders)
                    for order in orders:
                        if order.partition not in self._running and order not in self._switched:
                            name = f"move of partition {order.partition}"
                            self._running[order.partition] = tasks.create_task(self._carry_out(order), name=name)
                await self._change_after(-1 if stored is None else stored.version)

    async def close(self) -> None:
        """Every task gives its own connections back when it ends; nothing is left to do."""

    async def _carry_out(self, order: Order) -> None:
        get_log().info("move_begins", partition=order.partition, epoch=order.epoch, source=order.source)
        try:
            step = await HandoverTask(order, self._tools, tell=self._tell).run()
            if step is Step.SWITCHED:
                self._switched.add(order)
            get_log().info("move_ended", partition=order.partition, epoch=order.epoch, step=step.value)
        finally:
            del self._running[order.partition]
            self._ended.set()

    async def _listen(self, stored: StoredMap) -> None:
        """While moves to this shard wait for their turn: hear of those that are before them."""
        if len(due(stored, self._shard)) == len(orders_of(stored, self._shard)):
            self._line = Line()
            return
        if monotonic_s() - self._listened_s < LISTEN_S:
            return
        self._listened_s = monotonic_s()
        with suppress(asyncpg.PostgresError, *AWAY):  # what was heard before is still true
            self._line = self._line.after(stored, await self._tools.store.moves(only_open=True), now_s=monotonic_s())

    async def _change_after(self, version: int) -> None:
        """Wait for a newer map, the end of a handover, or a while."""
        waits = [
            asyncio.create_task(self._tools.follower.newer_than(version), name="newer map"),
            asyncio.create_task(self._ended.wait(), name="end of a handover"),
        ]
        try:
            await asyncio.wait(waits, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # --- reports: only the newest of each move; nothing waits for them ---

    def _tell(self, report: MoveReport) -> None:
        self._reports[report.partition] = report
        self._news.set()

    async def _report(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            reports, self._reports = self._reports, {}
            for report in reports.values():
                with suppress(asyncpg.PostgresError, *AWAY):  # the next one tells more
                    await self._tools.store.report(report)

    # --- leftovers: whoever owns a partition has it removed elsewhere; nobody keeps what belongs to others ---

    async def _forget(self) -> None:
        swept, swept_s = -1, 0.0
        while True:
            stored = self._tools.follower.current
            if stored is not None and self._tools.lease.is_held:
                if stored.version != swept or monotonic_s() - swept_s >= STRAYS_S:
                    swept, swept_s = stored.version, monotonic_s()
                    await self._forget_strays(stored)
                leftovers = leftovers_of(stored, self._shard)
                self._tried_s = {one: at_s for one, at_s in self._tried_s.items() if one in leftovers}
                for leftover in leftovers:
                    if monotonic_s() - self._tried_s.get(leftover, float("-inf")) >= FORGET_AGAIN_S:
                        self._tried_s[leftover] = monotonic_s()
                        await self._forget_one(stored, leftover)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._tools.follower.newer_than(-1 if stored is None else stored.version)

    async def _forget_strays(self, stored: StoredMap) -> None:
        strays = strays_of(stored, self._shard)
        try:
            found = await self._tools.shard.progress_of([stray.partition for stray in strays])
            for stray in strays:
                progress = found[stray.partition]
                if progress is not None and await forget(self._tools.shard, stray.partition, epoch=stray.epoch):
                    get_log().info("stray_removed", partition=stray.partition, epoch=progress.epoch)
        except (RedisError, OSError) as error:  # the session notices by itself
            get_log().warning("strays_stay", error=f"{type(error).__name__}: {error}")

    async def _forget_one(self, stored: StoredMap, leftover: Leftover) -> None:
        url = stored.url_of(leftover.shard)
        if url is None:
            return
        redis = connect(url)
        try:
            await check_cluster_mark(redis, self._tools.mark, where=f"the Redis of shard {leftover.shard}")
            shard = ShardRedis(redis, shard=leftover.shard, writer=self._tools.shard.writer)
            is_gone = await forget(shard, leftover.partition, epoch=leftover.epoch)
            if is_gone:
                await self._tools.store.forgotten(leftover.partition, shard=leftover.shard, epoch=leftover.epoch)
            get_log().info("leftover", partition=leftover.partition, shard=leftover.shard, is_gone=is_gone)
        except (RedisError, Refused, BadReply, asyncpg.PostgresError, *AWAY) as error:
            get_log().warning("leftover_stays", partition=leftover.partition, shard=leftover.shard,
                              error=f"{type(error).__name__}: {error}")  # fmt: skip
        finally:
            await redis.aclose()
