"""Reads one partition from its shard's Redis in chunks, each with its offset, while the worker goes on.

A call takes some 5 ms of the server's time. A partition of up to ROWS_PER_CALL rows is read in one call, at one offset.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from audit.compare import StoredTotals
from audit.tables import CAPS, HIDDEN, KEPT, SCORES, SEEN, Key, Table, Value
from contracts import redis_keys
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId
from contracts.progress import LastRecord, State

ROWS_PER_CALL: Final = 5_000
"""Some 5 ms of the server's time, in which nobody else is served."""
_SCAN: Final = {SCORES: "SCORES", SEEN: "SSCAN", KEPT: "ZSCAN"}
_ASK: Final = {SCORES: "SCORES", SEEN: "SMISMEMBER", KEPT: "ZMSCORE"}


class Moved(Exception):
    """The partition changed hands or went back while it was read: read it again from the start."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of some tables at one moment."""

    epoch: Epoch
    totals: StoredTotals
    rows: tuple[tuple[Table, tuple[tuple[Key, Value], ...]], ...]


class PartitionRows:
    """One reading of one partition. Every method raises RedisError, and Moved."""

    def __init__(self, redis: Redis, partition: Partition, *, rows_per_call: int = ROWS_PER_CALL) -> None:
        self._redis = redis
        self._prefix = redis_keys.partition_prefix(partition)
        self._rows_per_call = rows_per_call
        self._epoch: Epoch | None = None
        self._offset = Offset(0)
        self._run_id: str | None = None

    async def periods(self) -> list[PeriodId]:
        """The boards that the partition has scores on, `all_time` first."""
        start = len(self._prefix) + len(SCORES) + 1
        pattern = f"{self._prefix}{SCORES}:*"
        return sorted(
            [PeriodId(key.decode()[start:]) async for key in self._redis.scan_iter(match=pattern, count=1_000)]
        )

    async def totals(self) -> Chunk:
        """The partition's progress alone."""
        raw = await self._redis.eval_ro(_script("rows"), 1, self._prefix, 0)
        return self._chunk(raw, [])

    async def chunks(self, tables: Sequence[Table]) -> AsyncIterator[Chunk]:
        """All rows of all tables. A row that is there throughout is told, some may be told twice."""
        self._run_id = await self._server_run()
        left = [(table, b"0") for table in tables]
        while left:
            asked = [word for table, cursor in left for word in (_SCAN.get(table.kind, "HSCAN"), table.suffix, cursor)]
            raw = await self._redis.eval_ro(_script("rows"), 1, self._prefix, self._rows_per_call, *asked)
            yield self._chunk(raw, [table for table, _ in left])
            done = len(raw) - 2
            left = [(left[done][0], raw[-1][0]), *left[done + 1 :]] if raw[-1][0] != b"0" else left[done + 1 :]
        if await self._server_run() != self._run_id:
            raise Moved("the shard's Redis was restarted: its cursors do not go on")

    async def ask(self, table: Table, keys: Sequence[Key]) -> Chunk:
        """What the partition holds for these keys, at most `rows_per_call`; a value is None where there is none."""
        assert len(keys) <= self._rows_per_call
        raw = await self._redis.eval_ro(
            _script("ask"), 1, self._prefix, _ASK.get(table.kind, "HMGET"), table.suffix, *keys
        )
        pairs = zip(raw[1], raw[2], strict=True) if table.kind == SCORES else ((value, None) for value in raw[1])
        answers = tuple(
            (key, None if value is None or (table.kind == SEEN and not value) else _value(table, value, at=at))
            for key, (value, at) in zip(keys, pairs, strict=True)
        )
        return self._located(raw[0], ((table, answers),))

    async def _server_run(self) -> str:
        return str((await self._redis.info("server"))["run_id"])

    def _chunk(self, raw: Any, tables: Sequence[Table]) -> Chunk:
        read = zip(tables, raw[1:], strict=False)
        return self._located(raw[0], tuple((table, tuple(_rows(table, flat))) for table, (_, flat) in read))

    def _located(self, progress: Any, rows: Any) -> Chunk:
        """Raises Moved when the partition is not where it was in the call before."""
        state, epoch, *totals = progress
        if state is None or state.decode() != State.OWNED:
            raise Moved(f"its state is {state.decode() if state else 'gone'}")
        stored = _totals(totals)
        if self._epoch not in (None, int(epoch)):
            raise Moved(f"its epoch went from {self._epoch} to {int(epoch)}")
        if stored.next_offset < self._offset:
            raise Moved(f"it went back from offset {self._offset} to {stored.next_offset}")
        self._epoch, self._offset = Epoch(int(epoch)), stored.next_offset
        return Chunk(self._epoch, stored, rows)


def _totals(fields: Sequence[bytes | None]) -> StoredTotals:
    """Of the fields in the order in which the scripts read them."""
    next_offset, log_ms, points, counted, last = (field.decode() if field else "" for field in fields)
    mark = LastRecord.decode(last) if last else None
    return StoredTotals(
        Offset(int(next_offset or 0)), LogMs(int(log_ms or 0)), int(points or 0), int(counted or 0), mark
    )


def _rows(table: Table, flat: Sequence[bytes]) -> Any:
    if table.kind == SCORES:
        for i in range(0, len(flat), 3):
            yield flat[i].decode(), _value(table, flat[i + 1], at=flat[i + 2])
    elif table.kind == SEEN:
        for id16 in flat:
            yield id16, 1
    else:
        for i in range(0, len(flat), 2):
            yield _key(table, flat[i]), _value(table, flat[i + 1], at=None)


def _key(table: Table, raw: bytes) -> Key:
    return raw if table.kind in (SEEN, KEPT) else raw.decode()


def _value(table: Table, raw: Any, *, at: bytes | None) -> Value:
    if table.kind == SCORES:
        return (int(float(raw)), int(at or 0))
    if table.kind == HIDDEN:
        # An empty table of Lua is packed as an empty list.
        parked: dict[str, tuple[int, int]] = dict(msgspec.msgpack.decode(raw) or {})
        return {period: (int(score), int(scored_at)) for period, (score, scored_at) in parked.items()}
    if table.kind == CAPS:
        used, _, received_at = raw.decode().partition(":")
        return (int(used), int(received_at))
    return int(float(raw))


@cache
def _script(name: str) -> str:
    return resources.files("audit").joinpath(f"lua/{name}.lua").read_text(encoding="utf-8")
