"""Keeps one process running: starts it, notices its end, waits the delay of its life, starts it again."""

import asyncio
from collections.abc import Callable

from contracts.clock import monotonic_s
from shardboard.supervisor.life import Life, State
from shardboard.supervisor.units import Unit, UnitEnded


class Keeper:
    """One unit and its life. `run` is one task's; the rest may be read at any time."""

    def __init__(self, unit: Unit, on_change: Callable[["Keeper"], None]) -> None:
        self.unit = unit
        self.life = Life()
        self.state_since_s = monotonic_s()
        self._on_change = on_change

    async def run(self) -> None:
        """Return when starting it again cannot help; else only by being cancelled."""
        while self.life.state is not State.REFUSED:
            if self.life.state is State.WAITING:
                await asyncio.sleep(self.life.delay_s)
                self._become(self.life.started_again())
            end, up_s = await self._one_life()
            self._become(self.life.ended(exit_code=end.exit_code, up_s=up_s, reason=str(end)))

    async def stop(self, *, grace_s: float) -> None:
        """End the process. The task of `run` must be over."""
        await self.unit.stop(grace_s=grace_s)
        self._become(self.life.stopped())

    async def _one_life(self) -> tuple[UnitEnded, float]:
        try:
            await self.unit.start()
        except UnitEnded as never_served:
            return never_served, 0.0
        self._become(self.life.ready())
        ready_s = monotonic_s()
        end = await self.unit.ended()
        return end, monotonic_s() - ready_s

    def _become(self, life: Life) -> None:
        if life is not self.life:
            self.life = life
            self.state_since_s = monotonic_s()
            self._on_change(self)
