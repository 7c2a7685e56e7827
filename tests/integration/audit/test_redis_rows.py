"""Reading a partition in chunks on real Valkey and Redis 7: all rows, each chunk with the offset that it stands at."""

from typing import Any

import pytest
from redis.asyncio import Redis

from audit.redis_rows import Moved, PartitionRows
from audit.tables import CAPS, HIDDEN, KEPT, SCORED_AT, SCORES, SEEN, Table
from contracts import redis_keys
from contracts.ids import Partition, PeriodId, Window
from contracts.periods import ALL_TIME

P = Partition(3)
DAILY = PeriodId("daily:2026-11-24")
USERS = {f"user-{number}": number for number in range(1_000)}


async def put(redis: Redis, *, offset: int = 5, **more: str) -> None:
    fields: dict[Any, Any] = {
        "state": "owned",
        "epoch": "2",
        "log_ms": "9",
        "points": "7",
        "counted": "6",
        "last": "4:9:1",
        "next_offset": offset,
        **more,
    }
    await redis.hset(redis_keys.progress(P), mapping=fields)


async def test_every_row_of_every_board_is_told_with_its_time(any_redis: Redis) -> None:
    await put(any_redis)
    for period in (ALL_TIME, DAILY):
        await any_redis.zadd(redis_keys.scores(P, period), USERS)
        await any_redis.hset(redis_keys.scored_at(P, period), mapping={user: n + 1 for user, n in USERS.items() if n})
    rows = PartitionRows(any_redis, P, rows_per_call=70)
    assert await rows.periods() == [ALL_TIME, DAILY]
    tables = [Table(SCORES, period) for period in (ALL_TIME, DAILY)]
    chunks = [chunk async for chunk in rows.chunks(tables)]
    assert len(chunks) > 10
    for table in tables:
        told = [row for chunk in chunks for found, part in chunk.rows if found == table for row in part]
        assert dict(told) == {user: (score, score + 1 if score else 0) for user, score in USERS.items()}
    assert {chunk.totals.next_offset for chunk in chunks} == {5}
    (whole,) = [chunk async for chunk in PartitionRows(any_redis, P).chunks(tables)]
    assert [len(part) for _, part in whole.rows] == [1_000, 1_000]


async def test_each_chunk_tells_its_own_offset(any_redis: Redis) -> None:
    await any_redis.zadd(redis_keys.scores(P, ALL_TIME), USERS)
    await put(any_redis)
    offsets = []
    async for chunk in PartitionRows(any_redis, P, rows_per_call=200).chunks([Table(SCORES, ALL_TIME)]):
        offsets.append(chunk.totals.next_offset)
        await put(any_redis, offset=5 + len(offsets))
    assert offsets == list(range(5, 5 + len(offsets)))
    assert len(offsets) > 2


async def test_other_tables_are_read_as_the_log_counts_them(any_redis: Redis) -> None:
    await put(any_redis)
    await any_redis.sadd(redis_keys.seen(P, Window(7)), b"\x00" * 16, b"\xff" * 16)
    await any_redis.zadd(redis_keys.kept(P), {b"\xfe" * 16: 2**42})
    await any_redis.hset(redis_keys.caps(P, 3), "ab", "2:77")
    await any_redis.hset(redis_keys.hidden(P), mapping={"h": b"\x81\xa8all_time\x92\x03\x04", "nothing": b"\x90"})
    await any_redis.hset(redis_keys.scored_at(P, ALL_TIME), "zoë", "12")
    tables = [Table(SEEN, "7"), Table(KEPT), Table(CAPS, "3"), Table(HIDDEN), Table(SCORED_AT, ALL_TIME)]
    (chunk,) = [chunk async for chunk in PartitionRows(any_redis, P).chunks(tables)]
    told = {table: dict(rows) for table, rows in chunk.rows}
    assert list(told.values()) == [
        {b"\x00" * 16: 1, b"\xff" * 16: 1},
        {b"\xfe" * 16: 2**42},
        {"ab": (2, 77)},
        {"h": {ALL_TIME: (3, 4)}, "nothing": {}},
        {"zoë": 12},
    ]
    rows = PartitionRows(any_redis, P)
    for table, found in told.items():
        unknown = b"?" * 16 if table.kind in (SEEN, KEPT) else "?"
        answers = (await rows.ask(table, [*found, unknown])).rows[0][1]
        assert dict(answers) == {**found, unknown: None}


async def test_scores_are_asked_for_with_their_times(any_redis: Redis) -> None:
    await put(any_redis)
    await any_redis.zadd(redis_keys.scores(P, ALL_TIME), {"a": 2**53 - 1, "b": -4})
    await any_redis.hset(redis_keys.scored_at(P, ALL_TIME), "a", "8")
    chunk = await PartitionRows(any_redis, P).ask(Table(SCORES, ALL_TIME), ["a", "b", "c"])
    assert chunk.rows[0][1] == (("a", (2**53 - 1, 8)), ("b", (-4, 0)), ("c", None))


async def test_what_moves_or_goes_back_meanwhile_is_read_again(any_redis: Redis) -> None:
    await put(any_redis)
    rows = PartitionRows(any_redis, P)
    await rows.totals()
    await put(any_redis, offset=4)
    with pytest.raises(Moved, match="went back from offset 5 to 4"):
        await rows.totals()
    await put(any_redis, epoch="3")
    with pytest.raises(Moved, match="epoch went from 2 to 3"):
        await rows.totals()
    await put(any_redis, state="copying")
    with pytest.raises(Moved, match="copying"):
        await rows.totals()
    await any_redis.delete(redis_keys.progress(P))
    with pytest.raises(Moved, match="gone"):
        await PartitionRows(any_redis, P).totals()
