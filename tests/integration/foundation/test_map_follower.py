"""Following the map on a real Postgres that notifies, forgets to, freezes, dies, and comes back with an older map."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from archiver.postgres_migrate import upgrade
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import MoveLimits, StoredMap
from contracts.shard_map import Ownership, ShardEntry, ShardMap
from foundation import map_follower, postgres_connect, postgres_map
from foundation.map_follower import MapFollower
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.service import StopSignal
from tests.support.frozen import frozen
from tests.support.services import StartPostgres
from tests.support.wait import wait_until

S1, S2 = ShardId("s1"), ShardId("s2")
ENTRIES = [ShardEntry(shard, f"redis://{shard}:6379/0", 100) for shard in (S1, S2)]
FIRST = ShardMap(1, (Ownership(S1, Epoch(1)), Ownership(S2, Epoch(1))))


@asynccontextmanager
async def following(store: MapStore, known: StoredMap | None = None) -> AsyncIterator[MapFollower]:
    follower, stop = MapFollower(store, known=known), StopSignal()
    task = asyncio.create_task(follower.run(stop), name="follower")
    try:
        yield follower
    finally:
        stop.set()
        await asyncio.wait_for(task, timeout=20)


async def migrated(url: str) -> MapStore:
    connection = await connect(url, name="test")
    await upgrade(connection)
    await connection.close()
    return MapStore(url, name="tester")


async def test_changes_arrive_by_notice(postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_follower, "POLL_S", 600.0)
    store = await migrated(postgres_database)
    try:
        async with following(store) as follower:
            nothing = await follower.newer_than(-1)
            assert (nothing.version, nothing.map) == (0, None)
            waiting = [asyncio.create_task(follower.newer_than(0)) for _ in range(3)]
            await store.seed(FIRST, ENTRIES)
            assert [found.map for found in await asyncio.gather(*waiting)] == [FIRST] * 3
            await store.set_limits(MoveLimits(is_paused=True))
            assert (await follower.newer_than(1)).limits.is_paused
    finally:
        await store.close()


async def test_lost_notice_is_made_good_by_looking(postgres_database: str) -> None:
    """The change is made by hand, without the notice."""
    store = await migrated(postgres_database)
    await store.seed(FIRST, ENTRIES)
    connection = await connect(postgres_database, name="by hand")
    try:
        async with following(store) as follower:
            await follower.newer_than(0)
            async with connection.transaction():
                await connection.execute("UPDATE map_state SET version = 2")
                await connection.execute("UPDATE partition_map SET owner = 's2', epoch = 2, since = 2")
            found = await follower.newer_than(1)
            assert found.map == ShardMap(2, (Ownership(S2, Epoch(2), Epoch(2)),) * 2)
    finally:
        connection.terminate()
        await store.close()


async def test_older_map_is_refused_until_it_was_rebuilt(postgres_database: str) -> None:
    store = await migrated(postgres_database)
    await store.seed(FIRST, ENTRIES)
    newest = Ownership(S2, Epoch(9), Epoch(9))
    known = StoredMap(version=30, map=ShardMap(30, (newest, FIRST.owners[1])), shards=tuple(ENTRIES))
    try:
        async with following(store, known) as follower:
            await wait_until(lambda: follower.refused)
            assert "is at version 1, 30 is known here: run `shardboard db rebuild-map`" in follower.refused
            assert follower.current == known
            await store.replace_map({Partition(0): newest}, ENTRIES, version_min=30)
            assert (await follower.newer_than(30)).version == 31
            assert not follower.refused
    finally:
        await store.close()


async def test_map_that_is_followed_already_may_turn_out_to_be_older(postgres_database: str) -> None:
    """Postgres answers before the worker has read what its Redis keeps."""
    store = await migrated(postgres_database)
    kept = StoredMap(version=1, map=FIRST, shards=tuple(ENTRIES))
    try:
        for changed, is_refused in ((MoveLimits(is_paused=True), True), (MoveLimits(), False)):
            await store.set_limits(changed)
            if not is_refused:
                await store.seed(FIRST, ENTRIES)
            async with following(store) as follower:
                await follower.newer_than(-1)
                follower.know(kept)
                if is_refused:
                    assert follower.current == kept
                    await wait_until(lambda: follower.refused)
                else:
                    assert follower.current is not None
                    assert follower.current.version == 3
    finally:
        await store.close()


async def test_last_map_stays_while_postgres_is_frozen_and_dead(
    start_postgres: StartPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was changed just before the end is seen when Postgres is back."""
    monkeypatch.setattr(postgres_map, "COMMAND_S", 0.5)
    monkeypatch.setattr(postgres_map, "CONNECT_TIMEOUT_S", 0.5)
    monkeypatch.setattr(postgres_connect, "CONNECT_TIMEOUT_S", 0.5)
    server = await start_postgres("pg")
    store, operator = await migrated(server.address), MapStore(server.address, name="operator")
    await store.seed(FIRST, ENTRIES)
    try:
        async with following(store) as follower:
            await follower.newer_than(0)
            with frozen(server.data_dir):
                await wait_until(lambda: follower.is_away, timeout_s=30, what="the freeze to be noticed")
                assert follower.current is not None
                assert follower.current.map == FIRST
            await wait_until(lambda: not follower.is_away, timeout_s=30, what="Postgres to answer again")
            await operator.set_limits(MoveLimits(moves_at_once=7))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await wait_until(lambda: follower.is_away, timeout_s=30, what="the end to be noticed")
            await server.start()
            assert (await follower.newer_than(1)).limits.moves_at_once == 7
            await operator.set_limits(MoveLimits())
            await follower.newer_than(2)
    finally:
        await operator.close()
        await store.close()


async def test_database_without_the_schema_is_waited_for(postgres_database: str) -> None:
    store = MapStore(postgres_database, name="tester")
    try:
        async with following(store) as follower:
            await wait_until(lambda: follower.is_away)
            connection = await connect(postgres_database, name="test")
            await upgrade(connection)
            await connection.close()
            assert (await follower.newer_than(-1)).map is None
    finally:
        await store.close()
