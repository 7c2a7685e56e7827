"""Closing boards on a real Postgres: final ranks, once, also when two try."""

import asyncio

import pytest

from archiver.postgres_boards import boards_not_closed, close_board, closed_boards, take_snapshot
from contracts.ids import Offset, PeriodId
from foundation.postgres_connect import Connection, connect

DAY = PeriodId("daily:2026-01-30")
ENDS = [Offset(10), Offset(0), Offset(7)]


@pytest.fixture
async def board(postgres: Connection) -> Connection:
    """Two partitions of three have records. Ties by time, by bytes of the user id, and a hidden user of either kind."""
    rows = [
        (0, "bob", 5, 200), (0, "ann", 5, 100), (2, "Zoe", 3, 300), (2, "ümit", 3, 300), (2, "zed", 3, 300),
        (0, "late", 1, 0), (0, "seen", 99, 1),
    ]  # fmt: skip
    await postgres.executemany(f"INSERT INTO scores VALUES ($1, $2, '{DAY}', $3, $4)", rows)  # noqa: S608
    await postgres.execute("INSERT INTO scores VALUES (0, 'ann', 'all_time', 8, 1)")
    await postgres.execute("INSERT INTO boards VALUES ($1), ('all_time')", DAY)
    parked = f'{{"{DAY}": [50, 7], "all_time": [60, 7]}}'
    await postgres.execute("INSERT INTO hidden VALUES (2, 'gone', $1), (0, 'seen', '{}')", parked)
    for partition, scores_next in ((0, 10), (2, 6)):
        await postgres.execute(
            "INSERT INTO archive_progress VALUES ($1, 0, $2, 0, '', $2, 0, '', 0, 0)", partition, scores_next
        )
    return postgres


async def test_ranks_are_final_and_in_board_order(board: Connection) -> None:
    assert not await close_board(board, DAY, ends=ENDS, now_ms=5)
    assert await board.fetch("SELECT * FROM leaderboards") == []
    await board.execute("UPDATE archive_progress SET raw_next = 7, scores_next = 7 WHERE partition = 2")
    assert await close_board(board, DAY, ends=ENDS, now_ms=5)
    rows = await board.fetch("SELECT user_id, score, rank, place FROM leaderboards WHERE NOT hidden ORDER BY place")
    assert [tuple(row) for row in rows] == [
        ("ann", 5, 1, 1), ("bob", 5, 1, 2), ("Zoe", 3, 3, 3), ("zed", 3, 3, 4), ("ümit", 3, 3, 5), ("late", 1, 6, 6),
    ]  # fmt: skip
    rows = await board.fetch("SELECT user_id, score, scored_at, rank, place FROM leaderboards WHERE hidden ORDER BY 1")
    assert [tuple(row) for row in rows] == [("gone", 50, 7, None, None), ("seen", 99, 1, None, None)]
    assert await closed_boards(board) == {DAY: ENDS}
    assert await boards_not_closed(board) == ["all_time"]
    assert await board.fetchval("SELECT users FROM closed_periods") == 8


async def test_two_that_close_at_once_close_once(board: Connection, postgres_database: str) -> None:
    ends = [Offset(10), Offset(0), Offset(6)]
    others = [await connect(postgres_database, name="test") for _ in range(4)]
    try:
        closed = await asyncio.gather(*(close_board(other, DAY, ends=ends, now_ms=5) for other in others))
    finally:
        for other in others:
            await other.close()
    assert sorted(closed) == [False, False, False, True]
    assert await board.fetchval("SELECT count(*) FROM leaderboards") == 8


async def test_partition_that_was_never_archived_holds_a_board_back(board: Connection) -> None:
    assert not await close_board(board, DAY, ends=[Offset(10), Offset(1), Offset(6)], now_ms=5)


async def test_snapshot_is_taken_once_per_interval(board: Connection) -> None:
    assert await take_snapshot(board, DAY, now_ms=1_000, interval_ms=500)
    assert not await take_snapshot(board, DAY, now_ms=1_499, interval_ms=500)
    assert await take_snapshot(board, DAY, now_ms=1_500, interval_ms=500)
    rows = await board.fetch(
        "SELECT place, rank, user_id FROM board_snapshots WHERE taken_ms = 1500 ORDER BY 1 LIMIT 4"
    )
    assert [tuple(row) for row in rows] == [(1, 1, "seen"), (2, 2, "ann"), (3, 2, "bob"), (4, 4, "Zoe")]
