"""Commands find shards by the map: Postgres's, without it the newest that a shard keeps, without any the settings."""

from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.ids import ShardId
from contracts.moves import StoredMap, encode_stored_map
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.settings import CommonSettings, load_common
from shardboard.cluster_map import load_cluster, read_map, with_shards_of_map
from shardboard.embedded.ports import free_ports
from tests.support.clusters import S1, S2, S3, S4, cluster, entry, moving, with_entries
from tests.support.services import StartValkey

STORED = with_entries(cluster(S1, S2, joined=(S3,), partitions=8), entry(S4, is_leaving=True))


def settings(*shards: str, postgres: str = "") -> CommonSettings:
    named = ",".join(shards) or "s1=redis://settings:1/0"
    return load_common({"SHARDBOARD_SHARDS": named, "SHARDBOARD_POSTGRES_URL": postgres})


def away() -> str:
    return f"postgresql://nobody@127.0.0.1:{free_ports(1)[0]}/none"


def names(common: CommonSettings) -> list[ShardId]:
    return [address.shard for address in common.shards]


async def keep(redis: Redis, stored: StoredMap) -> None:
    fields: Any = {"shard": "s1", "version": str(stored.version), "map": encode_stored_map(stored)}
    await redis.hset(redis_keys.LAST_MAP, mapping=fields)


async def test_the_map_in_postgres_names_the_shards(postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    await connection.close()
    common = settings(postgres=postgres_database)
    assert await with_shards_of_map(common) == common, "there is no map yet"
    store = MapStore(postgres_database, name="test")
    try:
        assert STORED.map is not None
        await store.seed(STORED.map, [entry(S1), entry(S2)])
        await store.join(entry(S3))
        assert names(await with_shards_of_map(common)) == [S1, S2, S3]
        assert (await with_shards_of_map(common)).url_of(S1) == "redis://s1:6379/0"
    finally:
        await store.close()


async def test_without_postgres_the_newest_kept_map_does(start_valkey: StartValkey) -> None:
    first, second = await start_valkey("s1"), await start_valkey("s2")
    common = settings(f"s1={first.address}", f"s2={second.address}", "s3=redis://127.0.0.1:9/0", postgres=away())
    assert await with_shards_of_map(common) == common, "nobody keeps one"
    async with Redis.from_url(first.address) as s1, Redis.from_url(second.address) as s2:
        await keep(s1, STORED)
        await s2.hset(redis_keys.LAST_MAP, "map", "damaged")
        assert names(await with_shards_of_map(common)) == [S1, S2, S3], "who leaves and holds nothing is not asked"
        newer = replace(moving(STORED, 0, target=S4), version=9)
        await keep(s2, newer)
        assert names(await with_shards_of_map(common)) == [S1, S2, S3, S4]
        assert await read_map(common) == newer


async def test_settings_without_postgres_name_all_shards() -> None:
    assert await read_map(settings()) is None


def test_commands_load_it_with_their_settings() -> None:
    environ = {"SHARDBOARD_SHARDS": "s7=redis://127.0.0.1:9/0", "SHARDBOARD_POSTGRES_URL": away()}
    assert names(load_cluster(environ)) == ["s7"]
