"""What a user costs a shard's Redis, and what an action's id costs while it is remembered: beside a ZSET of the same
users, which knows neither who reached a score first nor which action counted already."""

from collections.abc import AsyncIterator
from typing import Final

from redis.asyncio import Redis

from bench.actions import BEGIN_MS, PARTITIONS, InTurnWriter, People, people
from bench.apply_path import POLL_RECORDS, RULES, Side, serving
from bench.baselines.zincrby import chunks, pipelined
from bench.ground import Ground
from bench.results import BYTES, Ask, Part, Way, make_part
from contracts import redis_keys
from contracts.counting import window_of
from contracts.ids import LogMs, Partition, ShardId
from contracts.periods import ALL_TIME, PeriodCalendar
from shard_worker.redis_shard import ShardRedis

SHARD, PLAIN, ID = "user in a shard", "user in a plain ZSET", "remembered id"
BAR: Final = 2.0
EVERY_MEMBER: Final = 0
"""Of MEMORY USAGE: none is left out of the account."""
IN_A_SHARD: Final = "a user in a shard: the score and when it was reached, without name and remembered ids"
REMEMBERED: Final = "an action's id is remembered for one to two windows, of 15 minutes each unless set otherwise"


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Each round has more users, up to twice as many: tables grow by doubling, and no size shall be a lucky one."""
    sizes = ground.sizes
    found = {name: Way(name, {BYTES: []}) for name in (SHARD, PLAIN, ID)}
    for number in range(sizes.rounds):
        acting = people(sizes.users + sizes.users * number // sizes.rounds, zipf=None)
        of_user, of_id = await _in_a_shard(ground, acting)
        for name, value in ((SHARD, of_user), (PLAIN, await _in_a_zset(ground, acting)), (ID, of_id)):
            found[name].measures[BYTES].append(value)
    yield make_part(
        "memory", f"one board, {sizes.users:,} users and more",
        settings={"users": sizes.users, "users_in_the_last_round": len(acting.users), "partitions": PARTITIONS},
        ways=list(found.values()),
        asks=[Ask(measure=BYTES, first=SHARD, second=PLAIN, at_most=BAR)],
        notes=(IN_A_SHARD, REMEMBERED),
    )  # fmt: skip


async def _in_a_shard(ground: Ground, acting: People) -> tuple[float, float]:
    """Everybody acts once, by the worker's own path. Bytes of a user, and of an id."""
    async with serving(ground.new_folder("memory")) as redis:
        side = Side(redis, ShardRedis(redis, shard=ShardId("s1"), writer="bench"), calendar=PeriodCalendar("all_time"))
        await side.claim()
        empty = await _dataset_bytes(redis)
        log = InTurnWriter(acting, seed=ground.seed)
        for poll in log.polls(len(acting.users), poll_records=POLL_RECORDS):
            await side.run([poll])
        seen = [redis_keys.seen(Partition(p), window_of(LogMs(BEGIN_MS), RULES)) for p in range(PARTITIONS)]
        ids = sum([int(await redis.memory_usage(key, samples=EVERY_MEMBER) or 0) for key in seen])
        await redis.config_set("lazyfree-lazy-user-del", "no")  # gone when the answer comes, not some time later
        await redis.delete(*seen)
        without_ids = await _dataset_bytes(redis)
        users = sum([int(await redis.zcard(redis_keys.scores(Partition(p), ALL_TIME))) for p in range(PARTITIONS)])
        assert users == len(acting.users), "everybody acted"
        return (without_ids - empty) / users, ids / users


async def _in_a_zset(ground: Ground, acting: People) -> float:
    async with serving(ground.new_folder("plain")) as redis:
        empty = await _dataset_bytes(redis)
        port = int(redis.connection_pool.connection_kwargs["port"])
        await pipelined(port, chunks([(user, 1) for user in acting.users], [ALL_TIME]))
        assert await redis.zcard(ALL_TIME) == len(acting.users)
        return (await _dataset_bytes(redis) - empty) / len(acting.users)


async def _dataset_bytes(redis: Redis) -> int:
    """What the keys take, by the server's own account: without buffers, scripts and what it took when it was empty."""
    return int((await redis.info("memory"))["used_memory_dataset"])
