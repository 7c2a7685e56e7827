"""Connections follow the map on a real Postgres: who joins is asked, who left is not, an absence changes nothing."""

from archiver.postgres_migrate import upgrade
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import MoveOrder, PlanOrder
from contracts.shard_map import Ownership, ShardEntry, ShardMap
from foundation.mapped_shards import MappedShards
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.settings import ShardAddress
from tests.support.services import StartPostgres

S1, S2, S3 = ShardId("s1"), ShardId("s2"), ShardId("s3")
SETTINGS = [ShardAddress(S1, "redis://settings:1/0")]
ENTRIES = [ShardEntry(S1, "redis://one:1/0", 100), ShardEntry(S2, "redis://two:2/0", 100)]


async def test_without_postgres_the_settings_hold() -> None:
    shards = MappedShards(SETTINGS)
    assert list(await shards.current()) == [S1]
    await shards.close()
    await shards.close()


async def test_shards_are_those_of_the_newest_map(start_postgres: StartPostgres) -> None:
    server = await start_postgres("own")
    connection = await connect(server.address, name="test")
    shards = MappedShards(SETTINGS, postgres_url=server.address, name="test")
    store = MapStore(server.address, name="test")
    try:
        assert list(await shards.current()) == [S1], "there is no schema yet"
        await upgrade(connection)
        first = (await shards.current())[S1]
        await store.seed(ShardMap(1, (Ownership(S1, Epoch(1)), Ownership(S2, Epoch(1)))), ENTRIES)
        mapped = await shards.current()
        assert list(mapped) == [S1, S2]
        assert mapped[S1] is not first, "the map has another address"
        assert mapped[S1].connection_pool.connection_kwargs["host"] == "one"

        await store.join(ShardEntry(S3, "redis://three:3/0", 100))
        joined = await shards.current()
        assert list(joined) == [S1, S2, S3]
        assert joined[S2] is mapped[S2], "what has not changed stays open"

        order = PlanOrder(
            map_version=await store.version(), checksum="c", content=b"{}",
            moves=(MoveOrder(Partition(1), S2, S1),), leaving=frozenset([S2]),
        )  # fmt: skip
        await store.apply_plan(order)
        assert S2 in await shards.current()
        assert await store.switch(Partition(1), move_epoch=Epoch(2), target=S1)
        assert list(await shards.current()) == [S1, S3]
        connection.terminate()
        await server.stop()
        assert list(await shards.current()) == [S1, S3]
    finally:
        connection.terminate()
        await store.close()
        await shards.close()
