"""A gateway that starts while Postgres is away ranks by the map that the shards keep, the newest of them."""

from dataclasses import replace

from contracts import redis_keys
from contracts.moves import encode_stored_map
from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from foundation.settings import ShardAddress
from gateway.redis_kept_map import know_kept_map, read_kept_map
from tests.integration.gateway.test_http_reads import ground
from tests.support.ranked_boards import Ground
from tests.support.running_gateway import running_gateway
from tests.support.wait import wait_until

__all__ = ["ground"]


async def keep(ground: Ground, shard: int, *, version: int) -> None:
    stored = replace(ground.stored, version=version)
    fields = {"shard": ground.shards[shard], "version": str(version), "map": encode_stored_map(stored).decode()}
    for name, value in fields.items():
        await ground.redis[ground.shards[shard]].hset(redis_keys.LAST_MAP, name, value)


async def test_the_newest_map_that_a_shard_keeps_is_gone_on_with(ground: Ground) -> None:
    addresses = [ShardAddress(entry.shard, entry.url) for entry in ground.stored.shards]
    assert await read_kept_map(addresses[0].url) is None
    await keep(ground, 0, version=7)
    await keep(ground, 1, version=9)
    away = ShardAddress(addresses[0].shard, "redis://127.0.0.1:1/0")
    maps = MapFollower(MapStore("postgresql://nobody@127.0.0.1:1/none", name="test"))
    await know_kept_map(maps, [away, *addresses])
    assert maps.current is not None
    assert maps.current.version == 9


async def test_ranks_without_postgres(ground: Ground, gateway_env: dict[str, str]) -> None:
    await ground.put({"ada": (5, 1)})
    await keep(ground, 0, version=7)
    away = {"SHARDBOARD_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/none"}
    async with running_gateway({**gateway_env, **away}) as gateway:

        async def has_rank() -> bool:
            return (await gateway.get("/users/ada/rank")).status == 200

        await wait_until(has_rank, timeout_s=20, what="the map that the shard keeps")
