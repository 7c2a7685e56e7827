"""Carries out what an operator asks, by the map in Postgres and looks at the shards. No partition is moved from here:
the receiving workers do that, whether this process goes on or not.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from redis.exceptions import RedisError

from contracts.clock import monotonic_s, now_ms
from contracts.exit_codes import ExitCode
from contracts.ids import Partition, ShardId
from contracts.moves import MoveLimits, PlanRecord, StoredMap
from foundation.postgres_connect import AWAY
from foundation.postgres_map import MapStore
from foundation.service import Refused
from foundation.settings import CommonSettings
from shardboard.command_error import CommandError
from shardboard.rebalance.change import Change
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.figures import Figures
from shardboard.rebalance.follow import LEFTOVERS_S_MAX, PlanProgress, progress_of
from shardboard.rebalance.gather import Asked, gather_figures, read_mark
from shardboard.rebalance.new_redis import check_new_redis
from shardboard.rebalance.plan_file import BadPlan, PlanFile, check_fits, deployment_name, order_of
from shardboard.rebalance.undo import plan_to_undo, undo

LOOK_AGAIN_S: Final = 0.5
"""Workers tell of each phase and about each second of a copy."""
ABORT_RACES_MAX: Final = 5
"""Between aborting and reading the map, another operator may intend something: so often we begin again."""


class Operator:
    """An async context manager. Methods raise CommandError, Refused, PostgresError or one of AWAY."""

    def __init__(self, common: CommonSettings, *, name: str) -> None:
        self._common = common
        self._name = name
        self.store = MapStore(common.postgres_url, name=name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.store.close()

    async def figures(self, stored: StoredMap, asked: Asked) -> Figures:
        """The shards as they are now."""
        return await gather_figures(stored, asked)

    async def plan(self, ask: Callable[[StoredMap], Change]) -> PlanFile:
        """A plan for what is asked; nothing is changed. The Redis of each new shard is looked at."""
        stored = await self.store.read()
        change = ask(stored)
        if change.is_empty:
            raise CommandError(ExitCode.NOTHING_TO_DO, f"nothing to do: {change.words} would change nothing")
        mark = await self._mark(stored)
        await self._check_new(change, stored, mark=mark)
        figures = await self.figures(stored, Asked(sizes=True))
        return await self.plan_with(change, stored, figures=figures, deployment=deployment_name(mark))

    async def plan_with(
        self, change: Change, stored: StoredMap, *, figures: Figures, deployment: str, undoes: int | None = None
    ) -> PlanFile:
        """The plan of a change, from figures that are there."""
        occasion = Occasion(self._name, now_ms(), deployment)
        reports = await self.store.moves()
        return draft_plan(change, stored, figures=figures, reports=reports, occasion=occasion, undoes=undoes)

    async def deployment(self, stored: StoredMap) -> str:
        """How plans name this deployment."""
        return deployment_name(await self._mark(stored))

    async def apply(self, plan: PlanFile) -> int:
        """Intend the plan's moves, all or none; its number."""
        stored = await self.store.read()
        try:
            check_fits(plan, stored, deployment=await self.deployment(stored))
        except BadPlan as error:
            raise CommandError(ExitCode.REFUSED, f"the plan {error}") from error
        return await self.store.apply_plan(order_of(plan, stored))

    async def undo(self, number: int | None, *, is_dry: bool) -> tuple[PlanFile, int | None, tuple[Partition, ...]]:
        """Take a plan back: the way back, its number when it was applied, and the partitions that went on since.

        1. What the plan intends and has not moved is aborted: it stays where it is, whether we go on or not.
        2. The way back is applied as a plan of its own, which says what it undoes. Stopped before, undo begins anew.
        """
        record = plan_to_undo(await self.store.plans(), number)
        for _ in range(ABORT_RACES_MAX):
            if record.state == "running" and not is_dry:
                await self._abort_moves_of(record)
            stored = await self.store.read()
            back = undo(record, _without_moves_of(stored, record) if is_dry else stored)
            await self._check_new(back.change, stored, mark=await self._mark(stored))
            figures = await self.figures(stored, Asked(sizes=True, rates=False))
            deployment = await self.deployment(stored)
            plan = await self.plan_with(back.change, stored, figures=figures, deployment=deployment, undoes=record.plan)
            if is_dry:
                return plan, None, back.gone_on
            try:
                return plan, await self.store.apply_plan(order_of(plan, stored)), back.gone_on
            except Refused:
                if await self.store.version() == stored.version:
                    raise
        raise CommandError(ExitCode.REFUSED, "the map changes all the time: is somebody else at work? Try again")

    async def follow(
        self, number: int, *, timeout_s: float | None, show: Callable[[PlanProgress, str], None]
    ) -> PlanProgress:
        """Look at a plan until it is over, or the time is, or for a while only leftovers have been waited for; `show`
        gets each look, and what is in the way of looking.

        While Postgres is away it is asked again: the workers go on, and so do we.
        """
        ends_s = None if timeout_s is None else monotonic_s() + timeout_s
        all_moved_s: float | None = None
        progress: PlanProgress | None = None
        while True:
            trouble = ""
            try:
                progress = await self.progress(number)
            except AWAY as error:
                if progress is None:
                    raise
                trouble = f"Postgres does not answer: {error or type(error).__name__}"
            show(progress, trouble)
            now_s = monotonic_s()
            if progress.state != "running" or (ends_s is not None and now_s >= ends_s):
                return progress
            all_moved_s = (all_moved_s or now_s) if progress.left == 0 else None
            if all_moved_s is not None and now_s - all_moved_s > LEFTOVERS_S_MAX:
                return progress
            await asyncio.sleep(LOOK_AGAIN_S)

    async def progress(self, number: int) -> PlanProgress:
        """How far a plan is now."""
        found = await self.store.plans(number)
        if not found:
            raise CommandError(ExitCode.USAGE, f"there is no plan {number}: `rebalance history` lists them")
        stored = await self.store.read()
        return progress_of(found[0], await self.store.moves(number), limits=stored.limits, now_ms=now_ms())

    async def running_plan(self) -> int | None:
        """The newest plan whose moves are being made."""
        running = [plan.plan for plan in await self.store.plans() if plan.state == "running"]
        return running[-1] if running else None

    async def change_limits(self, change: Callable[[MoveLimits], MoveLimits]) -> tuple[StoredMap, bool]:
        """Change what moves may take; the map then, and whether anything was to change."""
        stored = await self.store.read()
        limits = change(stored.limits)
        if limits == stored.limits:
            return stored, False
        await self.store.set_limits(limits)
        return await self.store.read(), True

    async def _abort_moves_of(self, record: PlanRecord) -> None:
        reports = {report.partition: report.move_epoch for report in await self.store.moves(record.plan)}
        stored = await self.store.read()
        owners = () if stored.map is None else stored.map.owners
        mine = [
            Partition(number)
            for number, owner in enumerate(owners)
            if owner.move is not None and reports.get(Partition(number)) == owner.move.epoch
        ]
        if mine:
            await self.store.abort(mine)

    async def _check_new(self, change: Change, stored: StoredMap, *, mark: dict[str, str]) -> None:
        """Those that get their first partitions by this change."""
        assert stored.map is not None, "a change is made for a map"
        urls = {entry.shard: entry.url for entry in (*stored.shards, *change.joining)}
        holders = {owner.shard for owner in stored.map.owners}
        new: Sequence[ShardId] = [shard for shard in change.members if shard not in holders]
        for shard in new:
            others = {f"shard {name}": url for name, url in urls.items() if name != shard}
            others["the cache"] = self._common.cache_url
            await check_new_redis(urls[shard], mark, others=others)

    async def _mark(self, stored: StoredMap) -> dict[str, str]:
        """Which deployment this is, by the first shard's Redis that answers and knows."""
        faults = []
        for entry in stored.shards:
            try:
                mark = await read_mark(entry.url)
            except (RedisError, OSError, ValueError) as error:
                faults.append(f"{entry.shard}: {error}")
                continue
            if mark:
                return mark
        told = f" ({'; '.join(faults)})" if faults else ""
        raise CommandError(ExitCode.FAILED, f"no shard's Redis says which deployment this is{told}")


def _without_moves_of(stored: StoredMap, record: PlanRecord) -> StoredMap:
    """The map as it would be with the plan's moves aborted."""
    if stored.map is None or record.state != "running":
        return stored
    owners = tuple(replace(owner, move=None) for owner in stored.map.owners)
    return replace(stored, map=replace(stored.map, owners=owners))
