"""The store of idempotency keys on Valkey and Redis 7: who begins, who keeps, who is told that it is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from contracts.ids import UserId
from contracts.redis_keys import idempotency
from gateway.idempotency import RUNNING_MS, KeyedRequest, Remembered, encode
from gateway.redis_idempotency import CONNECTIONS, IdempotencyStore, StoreAway

REQUEST = KeyedRequest(UserId("ann"), "key", b"d" * 16)
PLACE = idempotency(REQUEST.place)
MINE, THEIRS = Remembered(REQUEST.digest, b"mine"), Remembered(REQUEST.digest, b"theirs")
ANSWER = Remembered(REQUEST.digest, b"mine", 201, (), b"{}")


@pytest.fixture
async def store(any_redis: Redis, any_redis_url: str) -> AsyncIterator[IdempotencyStore]:
    made = IdempotencyStore(any_redis_url, window_ms=5_000)
    yield made
    await made.close()


async def test_one_begins_and_the_others_see_it(store: IdempotencyStore, any_redis: Redis) -> None:
    begun = await asyncio.gather(*(store.begin(REQUEST, MINE) for _ in range(3 * CONNECTIONS)))
    assert begun.count(None) == 1
    assert set(begun) == {None, encode(MINE)}
    assert RUNNING_MS - 10_000 < await any_redis.pttl(PLACE) <= RUNNING_MS


async def test_an_answer_is_kept_for_the_window(store: IdempotencyStore, any_redis: Redis) -> None:
    await store.begin(REQUEST, MINE)
    await store.keep(REQUEST, MINE, answer=ANSWER)
    assert await store.begin(REQUEST, THEIRS) == encode(ANSWER)
    assert 0 < await any_redis.pttl(PLACE) <= 5_000


async def test_who_was_overtaken_keeps_and_releases_nothing(store: IdempotencyStore, any_redis: Redis) -> None:
    await any_redis.set(PLACE, encode(THEIRS))
    await store.keep(REQUEST, MINE, answer=ANSWER)
    await store.release(REQUEST, MINE)
    assert await any_redis.get(PLACE) == encode(THEIRS)


async def test_who_is_released_may_begin_again(store: IdempotencyStore) -> None:
    await store.begin(REQUEST, MINE)
    await store.release(REQUEST, MINE)
    assert await store.begin(REQUEST, THEIRS) is None


async def test_a_store_that_does_not_answer_is_away() -> None:
    store = IdempotencyStore("redis://127.0.0.1:1/0", window_ms=5_000)
    with pytest.raises(StoreAway):
        await store.begin(REQUEST, MINE)
    await store.close()
