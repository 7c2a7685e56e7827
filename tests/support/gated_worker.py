"""A worker that stands still before one step of a handover until the test lets it go on: `python -m
tests.support.gated_worker`. The folder in SHARDBOARD_GATE holds the gate: `stop-at` names the step, `reached` says that
a worker stands there, and without `stop-at` it goes on."""

import os
import sys
from pathlib import Path
from typing import Final
from unittest.mock import patch

from contracts.moves import StoredMap
from shard_worker import move_steps, redis_mover, service
from shard_worker.__main__ import main
from shard_worker.move_steps import Event, Leftover, Step
from shard_worker.redis_move_handover import HandoverTask
from shard_worker.redis_mover import RedisMover
from tests.support.wait import wait_until

FORGETTING: Final = "forgetting"
GATE: Final = Path(os.environ.pop("SHARDBOARD_GATE", "."))
OPEN_S_MAX: Final = 120.0


async def stand_at(step: str) -> None:
    """Wait as long as the gate is shut at this step."""

    def is_shut() -> bool:
        try:
            return (GATE / "stop-at").read_text() == step
        except FileNotFoundError:
            return False

    if is_shut():
        (GATE / "reached").touch()
        await wait_until(lambda: not is_shut(), timeout_s=OPEN_S_MAX, what="the gate to open")


class GatedHandover(HandoverTask):
    """Stands before the step; before the second round of a copy."""

    async def _carry_out(self) -> Event:
        step = self._handover.step
        if step is not Step.COPYING or self._handover.chunks > 0:
            await stand_at(step.value)
        return await super()._carry_out()


class GatedMover(RedisMover):
    """Stands before leftovers are removed, too."""

    async def _forget_one(self, stored: StoredMap, leftover: Leftover) -> None:
        await stand_at(FORGETTING)
        await super()._forget_one(stored, leftover)


SILENT_S: Final = 5.0
"""Tests do not wait as long as operators do."""

if __name__ == "__main__":
    with (
        patch.object(redis_mover, "HandoverTask", GatedHandover),
        patch.object(service, "RedisMover", GatedMover),
        patch.object(move_steps, "SILENT_S", SILENT_S),
    ):
        sys.exit(main())
