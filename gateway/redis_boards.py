"""Follows the boards in the global cache: one task, one connection. The stream of changes says what to read anew."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts.clock import monotonic_s
from contracts.ids import PeriodId
from contracts.redis_keys import TOP_CHANGED, top
from contracts.tops import decode_global_top
from foundation.logs import get_log
from foundation.redis_cluster_mark import ClusterMark, check_cluster_mark
from foundation.redis_connect import connect
from gateway.board_shelf import BoardShelf
from gateway.settings import BOARDS_MAX

BLOCK_MS: Final = 500
"""One XREAD waits so long; a dead connection shows within the socket timeout after it."""
SOCKET_TIMEOUT_S: Final = 2.0
READ_CHANGES_MAX: Final = 1_000
"""Entries in one read: all that the stream keeps."""
SCAN_COUNT: Final = 500
MGET_MAX: Final = 50
"""Boards in one answer, some 10 KB each."""
RECONNECT_MIN_S: Final = 0.1
RECONNECT_MAX_S: Final = 2.0

_PERIOD: Final = b"period"


async def check_cache_belongs(url: str, mark: ClusterMark) -> None:
    """Return once the cache was seen to belong to this deployment, or was marked so. Raises Refused when it does not.

    Reads go on meanwhile: without Kafka nobody can say which deployment this is, and boards are public.
    """
    while True:
        client = connect(url, socket_timeout_s=SOCKET_TIMEOUT_S, connections_max=1)
        try:
            return await check_cluster_mark(client, mark, where=f"the cache at {url.rpartition('@')[2]}")
        except (RedisError, OSError):  # the follower reports it
            await asyncio.sleep(RECONNECT_MAX_S)
        finally:
            await client.aclose()


class CacheFollower:
    """Keeps the shelf up to date. `run` ends only by being cancelled; without a cache it tries again."""

    def __init__(self, url: str, shelf: BoardShelf, *, on_change: Callable[[set[PeriodId]], None]) -> None:
        self._url = url
        self._shelf = shelf
        self._on_change = on_change
        self.is_connected = False

    async def run(self) -> NoReturn:
        """Follow; after any loss of the connection read the whole state again before following on."""
        wait_s = RECONNECT_MIN_S
        while True:
            client = connect(self._url, socket_timeout_s=SOCKET_TIMEOUT_S, connections_max=2)
            try:
                last_id = await self._read_state(client)
                self.is_connected, wait_s = True, RECONNECT_MIN_S
                get_log().info("cache_connected")
                while True:
                    last_id = await self._follow(client, last_id)
            except (RedisError, OSError) as error:
                if self.is_connected or wait_s == RECONNECT_MIN_S:
                    get_log().warning("cache_away", error=repr(error))
            finally:
                self.is_connected = False
                await client.aclose()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_MAX_S)

    async def _read_state(self, client: Redis) -> bytes:
        """1. Note the stream's end. 2. Read every board. A change in between is read twice, never missed."""
        pipeline = client.pipeline(transaction=False)
        pipeline.time()
        pipeline.xrevrange(TOP_CHANGED, count=1)
        (seconds, micros), newest = await pipeline.execute()
        last_id: bytes = newest[0][0] if newest else b"0-0"
        if newest:
            age_s = max(0.0, seconds + micros / 1e6 - int(last_id.partition(b"-")[0]) / 1000)
            self._shelf.heard(monotonic_s() - age_s)
        keys = [key async for key in client.scan_iter(match=top(PeriodId("*")), count=SCAN_COUNT)]
        await self._read_boards(client, sorted(keys, reverse=True)[: 2 * BOARDS_MAX])
        self._shelf.is_loaded = True
        return last_id

    async def _follow(self, client: Redis, last_id: bytes) -> bytes:
        """Wait for changes, read the boards they name, return the id of the last change."""
        answer = await client.xread({TOP_CHANGED: last_id}, count=READ_CHANGES_MAX, block=BLOCK_MS)
        entries = _entries(answer)
        if not entries:
            return last_id
        self._shelf.heard(monotonic_s())
        changed = {fields[_PERIOD] for _, fields in entries if _PERIOD in fields}
        await self._read_boards(client, [top(PeriodId(period.decode())) for period in changed])
        newest: bytes = entries[-1][0]
        return newest

    async def _read_boards(self, client: Redis, keys: Iterable[bytes | str]) -> None:
        wanted = list(keys)
        changed: set[PeriodId] = set()
        for start in range(0, len(wanted), MGET_MAX):
            found: Any = await client.mget(wanted[start : start + MGET_MAX])
            for data in found:
                period = self._put(data) if data is not None else None
                if period is not None:
                    changed.add(period)
        if changed:
            self._on_change(changed)

    def _put(self, data: bytes) -> PeriodId | None:
        try:
            board = decode_global_top(data)
        except msgspec.MsgspecError as error:
            get_log().error("board_unreadable", error=str(error))
            return None
        return board.period if self._shelf.put(board) else None


def _entries(answer: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was read. RESP3 gives a map of streams with one list of entries more."""
    if not answer:
        return []
    if isinstance(answer, dict):
        entries: list[tuple[bytes, dict[bytes, bytes]]] = [e for batch in answer[TOP_CHANGED.encode()] for e in batch]
        return entries
    return [entry for _, entries in answer for entry in entries]
