"""A whole partition copied and compared, on and between real Valkey and real Redis 7: everything arrives, every altered
row is found, and no call of the largest pages takes long."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts import redis_keys
from contracts.ids import Epoch, PeriodId
from shard_worker.move_pages import ROWS_MAX, Digest
from shard_worker.move_steps import Event
from shard_worker.redis_move_sides import MoveRefused, forget
from tests.support.move_pair import BOARDS, ORDER, START, MovePair, P, contents, move_pair, user_name

CALL_US_MAX = 20_000
"""Nobody else is served meanwhile."""


@pytest.fixture(params=["valkey", "redis7", "valkey to redis7", "redis7 to valkey"])
async def pair(request: pytest.FixtureRequest, valkey_url: str, redis7_url: str) -> AsyncIterator[MovePair]:
    urls = {"valkey": valkey_url, "redis7": redis7_url}
    source, _, target = request.param.partition(" to ")
    async with move_pair(urls[source], urls[target or source]) as pair:
        yield pair


@pytest.fixture
async def one(valkey_url: str) -> AsyncIterator[MovePair]:
    async with move_pair(valkey_url, valkey_url) as pair:
        yield pair


@pytest.mark.parametrize("users", [0, 1, ROWS_MAX, 3 * ROWS_MAX + 1])
async def test_everything_arrives(pair: MovePair, users: int) -> None:
    """Boards of any size around that of a page, bytes that are no text, scores of 16 digits, names with line ends."""
    await pair.fill(users, ids=users)
    maker = await pair.copy()
    assert await contents(pair.target_redis) == await contents(pair.source_redis)
    fault, position = await pair.compare(maker)
    assert fault is None
    assert position.start == START
    assert (await maker.own(position.start)).value == "done"
    progress = await pair.target.progress()
    assert progress is not None
    assert (progress.state, progress.epoch, progress.next_offset, progress.last) == ("owned", 2, 900, START.last)


async def test_scores_of_any_size_are_the_same_on_every_server(pair: MovePair) -> None:
    """Servers may write numbers in different ways: what is compared is text."""
    await pair.fill(3)
    scores = {
        f"u{n}": sign * value
        for sign in (1, -1)
        for n, value in enumerate((10**6, 10**12, 10**15, 2**53 - 1), start=9 * sign)
    }
    await pair.source_redis.zadd(redis_keys.scores(P, PeriodId("all_time")), scores)
    assert (await pair.compare(await pair.copy()))[0] is None


async def test_times_of_users_without_a_score_arrive(pair: MovePair) -> None:
    """The engine makes none; what is there is copied and compared nevertheless."""
    await pair.fill(10)
    await pair.source_redis.hset(redis_keys.scored_at(P, PeriodId("all_time")), "stranger", 5)
    await pair.source_redis.hset(redis_keys.scored_at(P, PeriodId("weekly:2026-W48")), "alone", 6)
    maker = await pair.copy()
    assert await contents(pair.target_redis) == await contents(pair.source_redis)
    assert (await pair.compare(maker))[0] is None
    await pair.target_redis.hset(redis_keys.scored_at(P, PeriodId("all_time")), "stranger", 7)
    assert (await pair.compare(maker))[0] is not None


async def test_each_altered_row_of_100_000_users_is_found(one: MovePair) -> None:
    """20 users, each changed in one way in the target, one at a time, and put right again."""
    seed = 5
    rng = random.Random(seed)
    await one.fill(100_000)
    maker = await one.copy()
    assert (await one.compare(maker))[0] is None
    board = redis_keys.scores(P, PeriodId("all_time"))
    for n in range(20):
        user = user_name(rng.randrange(100_000))
        undo = await alter(one.target_redis, board, user=user, how=n % 4)
        fault, _ = await one.compare(maker)
        assert fault is not None, (seed, user, n)
        await undo()
    assert (await one.compare(maker))[0] is None


async def alter(redis: Any, board: str, *, user: str, how: int) -> Any:
    """One more, one point less, another time, or gone and replaced by somebody. Returns what puts it right."""
    times = board.replace("scores:", "scored_at:")
    score, time = await redis.zscore(board, user), await redis.hget(times, user)

    async def undo() -> None:
        await redis.zrem(board, user + "x")
        await redis.zadd(board, {user: score})
        await redis.hdel(times, user)
        if time is not None:
            await redis.hset(times, user, time)

    if how == 0:
        await redis.zincrby(board, 1, user)
    elif how == 1:
        await redis.zincrby(board, -1, user)
    elif how == 2:
        await redis.hset(times, user, int(time or 0) + 1)
    else:
        await redis.zrem(board, user)
        await redis.zadd(board, {user + "x": score})
    return undo


@pytest.mark.parametrize("name", ["seen:9", "kept", "caps:20781", "hidden", "voided", "erased", "names"])
async def test_each_altered_key_is_found(pair: MovePair, name: str) -> None:
    await pair.fill(5, ids=50)
    maker, key, redis = await pair.copy(), redis_keys.partition_prefix(P) + name, pair.target_redis
    kind = (await redis.type(key)).decode()
    if kind == "zset":
        ((member, _),) = await redis.zrange(key, 0, 0, withscores=True)
        await redis.zincrby(key, 1, member)
    elif kind == "hash":
        ((field, value),) = (await redis.hgetall(key)).items()
        await redis.hset(key, field, value + b"0")
    else:
        member = next(iter(await redis.smembers(key)))
        await redis.srem(key, member)
        await redis.sadd(key, bytes([member[0] ^ 1]) + member[1:])
    fault, _ = await pair.compare(maker)
    assert fault is not None
    assert fault.startswith(name)


@pytest.mark.parametrize("how", range(4))
async def test_altered_user_is_found(pair: MovePair, how: int) -> None:
    await pair.fill(10)
    maker = await pair.copy()
    await alter(pair.target_redis, redis_keys.scores(P, PeriodId("all_time")), user=user_name(3), how=how)
    assert "all_time" in str((await pair.compare(maker))[0])


async def test_key_more_or_less_is_found(pair: MovePair) -> None:
    await pair.fill(5)
    maker = await pair.copy()
    await pair.target_redis.hset(redis_keys.caps(P, 1), "a", "b")
    assert "caps:1: None in the source" in str((await pair.compare(maker))[0])
    await pair.target_redis.delete(redis_keys.caps(P, 1), redis_keys.voided(P))
    assert "voided" in str((await pair.compare(maker))[0])


async def test_values_swapped_between_two_rows_are_found(pair: MovePair) -> None:
    """Sums of fields and sums of values stay the same."""
    await pair.fill(5)
    key = redis_keys.caps(P, 20_781)
    await pair.source_redis.hset(key, mapping={"aa": "1:5", "bb": "2:6"})
    maker = await pair.copy()
    await pair.target_redis.hset(key, mapping={"aa": "2:6", "bb": "1:5"})
    assert (await pair.compare(maker))[0] == "caps:20781: rows differ"


async def test_source_that_loses_the_fence_ends_the_reading(pair: MovePair) -> None:
    await pair.fill(4 * ROWS_MAX)
    maker = pair.maker()
    _, inventory = await pair.source.fence(ORDER, maker.token)
    assert inventory is not None
    pages = pair.source.pages(maker.token, inventory, digest=Digest())
    await anext(pages)
    await pair.source.fence(ORDER, "another mover's")
    with pytest.raises(MoveRefused, match=r"source: REFUSED .'owned', '1', .another mover's., '2'"):
        [page async for page in pages]
    with pytest.raises(MoveRefused):
        await pair.compare(maker)


async def test_leftovers_go_only_when_they_are_older(pair: MovePair) -> None:
    await pair.fill(10)
    await pair.copy()
    assert not await forget(pair.source_shard, P, epoch=Epoch(1))
    assert await contents(pair.source_redis)
    assert await forget(pair.source_shard, P, epoch=Epoch(2))
    assert await pair.source.progress() is None
    assert await contents(pair.source_redis) == {}
    assert await forget(pair.source_shard, P, epoch=Epoch(2)), "nothing left is no refusal"
    event, _ = await pair.source.fence(ORDER, "t")
    assert event is Event.FOUND_NOTHING


async def test_no_call_of_full_pages_takes_long(pair: MovePair) -> None:
    """Boards of many pages, by the time that the servers' threads were at work: a busy machine takes them away from the
    processor for longer than any call. The time of all small keys counts as if it were the full pages'."""
    await pair.fill(5 * ROWS_MAX, ids=5 * ROWS_MAX)
    pages = 5 * (2 * len(BOARDS) + 1)
    before = await work_us(pair)
    maker = await pair.copy()
    copied = await work_us(pair)
    assert (copied - before) / pages < CALL_US_MAX, "read and written"
    assert (await pair.compare(maker))[0] is None
    assert (await work_us(pair) - copied) / pages < CALL_US_MAX, "compared in the target"


async def work_us(pair: MovePair) -> float:
    """How long the threads that carry out commands have worked, on both servers."""
    found = {}
    for redis in (pair.source_redis, pair.target_redis):
        info = await redis.info("everything")
        found[info["run_id"]] = info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]
    return 1e6 * sum(map(float, found.values()))
