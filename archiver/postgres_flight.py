"""The transaction under way: at most one, so that they follow each other in log order. While Postgres works at it, its
owner decodes what comes next, as if it had been committed; if it was not, that is thrown away."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from archiver.place import Place, RawMark
from archiver.postgres_archive import Arrival, arrive
from contracts.ids import Partition


class Flight:
    """Of one connection; one task starts and lands it."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._marks: dict[Partition, RawMark] = {}
        """Where the places will be when it has landed."""

    async def decode(
        self, places: Mapping[Partition, Place], polled: Mapping[Partition, Sequence[Any]]
    ) -> list[Arrival]:
        """Decode what follows the places and the flight."""
        arrivals = []
        for partition, records in polled.items():
            arrivals.append(arrive(places[partition], records, after=self._marks.get(partition)))
            await asyncio.sleep(0)  # heartbeats, and rows to Postgres, go out between two partitions
        return arrivals

    def start(self, work: Coroutine[Any, Any, None], arrivals: Sequence[Arrival]) -> None:
        """Do `work`, which archives `arrivals`. The flight before must have landed."""
        assert self._task is None, "one transaction at a time"
        self._marks = {arrival.place.partition: arrival.mark for arrival in arrivals}
        self._task = asyncio.create_task(work, name="transaction")

    async def land(self) -> None:
        """Wait until it is done, if there is one. Raises what it raised: then nothing may follow that was decoded."""
        task, self._task, self._marks = self._task, None, {}
        if task is not None:
            await task

    async def cancel(self) -> None:
        """Give it up; its connection must have been terminated, so that it does not wait for a frozen server."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
