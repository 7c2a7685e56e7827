"""The global cache as the merger sees it: shard tops in, boards out. One task uses it at a time.

Every method raises RedisError or OSError when the cache is away; the caller then closes, opens anew and loads all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts.ids import PeriodId, ShardId, parse_shard_id
from contracts.redis_keys import CHANGES_KEPT_MAX, CLUSTER, SHARD_TOP_CHANGED, SHARD_TOPS, TOP_CHANGED, TOP_VERSION, top
from contracts.tops import GlobalTop, ShardTop, decode_global_top, decode_shard_top, encode_top
from foundation.redis_connect import connect
from merger.shard_top_check import fault_of

SOCKET_TIMEOUT_S: Final = 2.0
"""A frozen cache is noticed after this: below the 3 s after which gateways call a board stale."""
_LIBRARY: Final = Path(__file__).with_name("lua") / "boards_1.lua"
_WRITE_BOARDS: Final = "shardboard_write_boards_1"


@dataclass(frozen=True, slots=True)
class BoardWrite:
    """A board to write, and when it leaves the cache by itself."""

    board: GlobalTop
    expire_at_ms: int | None


@dataclass(frozen=True, slots=True)
class BadTop:
    """What stands in the cache and cannot be used."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class TopsRead:
    """Shard tops as read; damaged ones apart."""

    tops: tuple[ShardTop, ...]
    bad: tuple[BadTop, ...]


@dataclass(frozen=True, slots=True)
class BoardsRead:
    """The written boards and the newest version."""

    version: int
    boards: dict[PeriodId, GlobalTop]
    bad: tuple[BadTop, ...]


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a write: `version` is the newest now; not accepted means that nothing was written."""

    accepted: bool
    version: int


class MergerCache:
    """One connection to the cache, and the place reached in the stream of changes."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis: Redis | None = None
        self._last_entry: bytes = b"0-0"

    async def open(self) -> None:
        """Connect and make sure that our function is there."""
        await self.close()
        self._redis = connect(self._url, socket_timeout_s=SOCKET_TIMEOUT_S, connections_max=1)
        await self._load_library()

    async def close(self) -> None:
        """Disconnect; may be called twice."""
        if self._redis is not None:
            redis, self._redis = self._redis, None
            await redis.aclose()

    async def stored_periods(self) -> str | None:
        """The periods of the deployment that the cache belongs to; None: no gateway or worker has marked it yet."""
        found: bytes | None = await self._call("HGET", CLUSTER, "periods")
        return None if found is None else found.decode(errors="replace")

    async def skip_changes(self) -> None:
        """Go to the end of the stream of changes. Read all shard tops after this: then none is missed."""
        newest = await self._call("XREVRANGE", SHARD_TOP_CHANGED, "+", "-", "COUNT", "1")
        self._last_entry = newest[0][0] if newest else b"0-0"

    async def wait_for_changes(self, wait_ms: int) -> set[ShardId] | None:
        """The shards that published since the last call, waiting for one if there is none.

        None: entries were dropped before we saw them, so that all shard tops have to be read.
        """
        reply = await self._call(
            "XREAD", "COUNT", CHANGES_KEPT_MAX, "BLOCK", wait_ms, "STREAMS", SHARD_TOP_CHANGED, self._last_entry
        )
        if not reply:
            return set()
        entries = reply[SHARD_TOP_CHANGED.encode()][0]
        self._last_entry = entries[-1][0]
        if len(entries) >= CHANGES_KEPT_MAX:
            return None
        return {shard for _, fields in entries if (shard := _shard_named(fields)) is not None}

    async def read_tops(self, shards: Iterable[ShardId]) -> TopsRead:
        """The newest tops of some shards."""
        wanted = sorted(shards)
        if not wanted:
            return TopsRead((), ())
        values = await self._call("HMGET", SHARD_TOPS, *wanted)
        return _read_tops(zip(wanted, values, strict=True))

    async def read_all_tops(self) -> TopsRead:
        """The newest tops of all shards."""
        found: dict[bytes, bytes] = await self._call("HGETALL", SHARD_TOPS)
        return _read_tops((name.decode(errors="replace"), value) for name, value in found.items())

    async def read_boards(self, periods: Sequence[PeriodId]) -> BoardsRead:
        """These boards, as far as they exist, at one moment."""
        version, *values = await self._call("MGET", TOP_VERSION, *map(top, periods))
        boards: dict[PeriodId, GlobalTop] = {}
        bad: list[BadTop] = []
        for period, value in zip(periods, values, strict=True):
            if value is None:
                continue
            try:
                boards[period] = decode_global_top(value)
            except msgspec.MsgspecError as error:
                bad.append(BadTop(period, str(error)))
        return BoardsRead(_version(version), boards, tuple(bad))

    async def write_boards(self, writes: Sequence[BoardWrite], *, known_version: int) -> Written:
        """Write all of these, or nothing if the newest version is not the known one. In order of their versions."""
        keys = [TOP_VERSION, TOP_CHANGED, *(top(write.board.period) for write in writes)]
        args: list[str | bytes] = [str(known_version), str(writes[-1].board.version), str(CHANGES_KEPT_MAX)]
        for write in writes:
            board = write.board
            args += [board.period, str(board.version), str(write.expire_at_ms or 0), encode_top(board)]
        try:
            accepted, version = await self._call("FCALL", _WRITE_BOARDS, len(keys), *keys, *args)
        except ResponseError as error:
            if "Function not found" not in str(error):
                raise
            await self._load_library()
            accepted, version = await self._call("FCALL", _WRITE_BOARDS, len(keys), *keys, *args)
        return Written(bool(accepted), int(version))

    async def beat(self, now_ms: int) -> int:
        """Tell readers that a merger is alive; return the newest version."""
        async with self._open_redis.pipeline(transaction=False) as pipe:
            pipe.xadd(TOP_CHANGED, {"heartbeat": now_ms}, maxlen=CHANGES_KEPT_MAX, approximate=True)
            pipe.get(TOP_VERSION)
            _, version = await pipe.execute()
        return _version(version)

    @property
    def _open_redis(self) -> Redis:
        assert self._redis is not None, "open() comes first"
        return self._redis

    async def _call(self, *command: Any) -> Any:
        return await self._open_redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _load_library(self) -> None:
        """Without REPLACE: the name carries the version, and what is loaded under it is the same."""
        try:
            await self._call("FUNCTION LOAD", _LIBRARY.read_text(encoding="utf-8"))
        except ResponseError as error:
            if "already exists" not in str(error):
                raise


def _version(value: bytes | None) -> int:
    """The counter; 0 when there is none or it is damaged, as in the function. Whoever writes next makes it good."""
    return int(value) if value is not None and value.isdigit() else 0


def _shard_named(fields: Any) -> ShardId | None:
    name = fields.get(b"shard") if isinstance(fields, dict) else None
    try:
        return None if name is None else parse_shard_id(name.decode())
    except (ValueError, UnicodeDecodeError):
        return None


def _read_tops(found: Iterable[tuple[str, bytes | None]]) -> TopsRead:
    tops: list[ShardTop] = []
    bad: list[BadTop] = []
    for name, value in found:
        if value is None:
            continue
        try:
            shard_top = decode_shard_top(value)
            fault = fault_of(shard_top, parse_shard_id(name))
        except (msgspec.MsgspecError, ValueError) as error:
            bad.append(BadTop(name, str(error)))
            continue
        if fault is None:
            tops.append(shard_top)
        else:
            bad.append(BadTop(name, fault))
    return TopsRead(tuple(tops), tuple(bad))
