"""Follows the shard map in Postgres and lives through its absence: what was read last stays until something newer is.

A notice from Postgres only makes it look sooner; every second it looks anyway."""

import asyncio
from typing import Final

import asyncpg

from contracts.moves import StoredMap, went_back
from foundation.logs import get_log
from foundation.postgres_connect import AWAY, Connection
from foundation.postgres_map import MapStore
from foundation.service import StopSignal

POLL_S: Final = 1.0
"""A change whose notice was lost is seen after this at the latest."""


class MapFollower:
    """The newest map this process knows. `run` is a task; everything else may be read by anybody at any time."""

    def __init__(self, store: MapStore, *, known: StoredMap | None = None) -> None:
        """`known`: the newest map that an earlier process knew; what is older is not followed."""
        self._store = store
        self.current = known
        """None as long as nobody has answered."""
        self.refused = ""
        """Why the map that is in Postgres now is not followed; empty when it is."""
        self.is_away = False
        """Whether Postgres did not answer at the last look."""
        self._listener: Connection | None = None
        self._must_read = False
        """Whether the version alone does not tell that Postgres still has this map."""
        self._look = asyncio.Event()
        self._changed = asyncio.Event()

    async def run(self, stop: StopSignal) -> None:
        """Look until `stop` is set or it is cancelled."""
        stopping = asyncio.create_task(stop.wait(), name="stop of the map's follower")
        stopping.add_done_callback(lambda _: self.hint())
        try:
            while not stop.is_set:
                self._look.clear()
                await self._follow()
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._look.wait()
                except TimeoutError:
                    pass
        finally:
            stopping.cancel()
            self._hang_up()

    async def newer_than(self, version: int) -> StoredMap:
        """Wait for a map with a newer version; -1 for any. Several tasks may wait."""
        while self.current is None or self.current.version <= version:
            await self._changed.wait()
        return self.current

    def take(self, found: StoredMap) -> None:
        """Go on with this map, if it is no step back from the one that is known."""
        fault = went_back(self.current, found)
        if fault is not None:
            if fault != self.refused:
                get_log().error("map_refused", reason=fault)
            self.refused = fault
            return
        self.refused = ""
        if self.current is None or self.current.version != found.version:
            self._go_on_with(found)

    def know(self, kept: StoredMap) -> None:
        """An earlier process knew this map: what cannot follow it is not followed, even if it is followed already."""
        if self.current is None or went_back(kept, self.current) is not None:
            self._go_on_with(kept)
            self._must_read = True
            self.hint()

    def hint(self) -> None:
        """Look now: somebody says that the map changed."""
        self._look.set()

    async def _follow(self) -> None:
        try:
            if self._listener is None or self._listener.is_closed():
                self._must_read = True
                self._listener = await self._store.listen(self.hint)
            if self._must_read or self.current is None or self.current.version != await self._store.version():
                self._must_read = False
                self.take(await self._store.read())
        except (asyncpg.PostgresError, *AWAY) as error:
            self._hang_up()
            if not self.is_away:
                get_log().warning("map_away", error=f"{type(error).__name__}: {error}")
            self.is_away = True
            return
        if self.is_away:
            get_log().info("map_back", version=self.current.version if self.current is not None else None)
        self.is_away = False

    def _go_on_with(self, stored: StoredMap) -> None:
        self.current = stored
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.terminate()
            self._listener = None
