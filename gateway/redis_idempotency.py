"""The store of idempotency keys, in the cache's Redis, for all gateways. Only requests with the header ask it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.redis_keys import idempotency
from foundation.redis_connect import connect
from gateway.idempotency import RUNNING_MS, KeyedRequest, Remembered, encode

CONNECTIONS: Final = 16
"""Requests with the header at once; others wait for their turn, within the deadline."""
DEADLINE_S: Final = 1.0
"""For one question: longer, and the store counts as away."""
_COMPARE_AND_SET: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1"""
_COMPARE_AND_DELETE: Final = (
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])"
)


class StoreAway(Exception):
    """The store did not answer: whether it did what it was asked to is unknown."""


class IdempotencyStore:
    """One gateway's way to the store. Connects when asked; `close` at the end."""

    def __init__(self, url: str, *, window_ms: int) -> None:
        """An answer is kept for `window_ms`: as long as its action's id is remembered by the log's readers."""
        self._redis: Redis = connect(url, socket_timeout_s=DEADLINE_S, connections_max=CONNECTIONS)
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._window_ms = window_ms

    async def begin(self, request: KeyedRequest, running: Remembered) -> bytes | None:
        """None: it is ours to run. Else what the store holds of the key. Raises StoreAway."""
        earlier: bytes | None = await self._ask(
            lambda: self._redis.set(idempotency(request.place), encode(running), nx=True, get=True, px=RUNNING_MS)
        )
        return earlier

    async def keep(self, request: KeyedRequest, running: Remembered, *, answer: Remembered) -> None:
        """Keep the answer, unless the run took so long that another one began. Raises StoreAway."""
        arguments = (idempotency(request.place), encode(running), encode(answer), self._window_ms)
        await self._ask(lambda: self._redis.eval(_COMPARE_AND_SET, 1, *arguments))

    async def release(self, request: KeyedRequest, running: Remembered) -> None:
        """The run came to no final answer: another may begin at once. Raises StoreAway."""
        await self._ask(lambda: self._redis.eval(_COMPARE_AND_DELETE, 1, idempotency(request.place), encode(running)))

    async def close(self) -> None:
        """End the connections; may be called twice."""
        await self._redis.aclose()

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(DEADLINE_S), self._turns:
                return await question()
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreAway(repr(error)) from error
