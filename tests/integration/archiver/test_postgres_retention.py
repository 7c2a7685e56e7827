"""What is too old goes, and nothing else: never what a repeat or a flush could still ask for."""

import pytest

from archiver import postgres_retention
from archiver.postgres_retention import CLOSED_SCORES_KEPT_MS, Retention
from contracts.counting import DAY_MS, CountingRules
from foundation.postgres_connect import Connection

RULES = CountingRules()
NOW_MS = 1_800_000_000_000
OLD_MS = NOW_MS - 100 * DAY_MS


async def retire(postgres: Connection) -> Retention:
    retention = Retention(postgres, RULES)
    await retention.run(NOW_MS, raw_before_ms=NOW_MS - 90 * DAY_MS, snapshots_before_ms=NOW_MS - 30 * DAY_MS)
    return retention


async def progress(postgres: Connection, partition: int, *, scores_next: int, log_ms: int) -> None:
    await postgres.execute(
        "INSERT INTO archive_progress VALUES ($1, 0, 100, $3, '', $2, $3, '', 0, 0)", partition, scores_next, log_ms
    )


async def test_old_actions_go_in_bounded_chunks(postgres: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_retention, "ROWS_AT_A_TIME", 3)
    await progress(postgres, 1, scores_next=12, log_ms=NOW_MS)
    rows = [(n, OLD_MS if n < 10 else NOW_MS - DAY_MS) for n in range(14)]
    await postgres.executemany(
        "INSERT INTO actions (partition, log_offset, log_ms, outcome) VALUES (1, $1, $2, '')", rows
    )
    retention = await retire(postgres)
    assert [row[0] for row in await postgres.fetch("SELECT log_offset FROM actions ORDER BY 1")] == [10, 11, 12, 13]
    assert retention.retired["actions"] == 10


async def test_rows_that_the_scores_lack_stay(postgres: Connection) -> None:
    await progress(postgres, 1, scores_next=5, log_ms=NOW_MS)
    rows = [(n, OLD_MS) for n in range(8)]
    await postgres.executemany(
        "INSERT INTO actions (partition, log_offset, log_ms, outcome) VALUES (1, $1, $2, '')", rows
    )
    await retire(postgres)
    assert [row[0] for row in await postgres.fetch("SELECT log_offset FROM actions ORDER BY 1")] == [5, 6, 7]


async def test_ids_of_the_newest_two_windows_stay_in_a_silent_partition(postgres: Connection) -> None:
    """Its log time stands still: a snapshot at that place still needs the ids of its windows."""
    window = RULES.window_ms
    log_ms = OLD_MS // window * window + 5
    await progress(postgres, 1, scores_next=50, log_ms=log_ms)
    rows = [(0, log_ms - 2 * window), (1, log_ms - window), (2, log_ms)]
    await postgres.executemany(
        "INSERT INTO actions (partition, log_offset, log_ms, outcome) VALUES (1, $1, $2, '')", rows
    )
    await postgres.executemany("INSERT INTO tombstones VALUES (1, '\\x01', $1, $2)", rows)
    await retire(postgres)
    for table in ("actions", "tombstones"):
        left = await postgres.fetch(f"SELECT log_offset FROM {table} ORDER BY 1")  # noqa: S608
        assert [row[0] for row in left] == [1, 2], table


async def test_memory_goes_by_log_time(postgres: Connection) -> None:
    await progress(postgres, 1, scores_next=0, log_ms=NOW_MS)
    day = NOW_MS // DAY_MS
    await postgres.executemany("INSERT INTO kept VALUES (1, $1, $2)", [(b"a", NOW_MS - 1), (b"b", NOW_MS)])
    await postgres.executemany("INSERT INTO caps VALUES (1, $1, $2, 1, 1)", [(b"a", day - 3), (b"b", day - 2)])
    await postgres.executemany(
        "INSERT INTO revoked VALUES ('jti', $1, NULL, $2, 0, '', 1)", [("a", NOW_MS - 1), ("b", NOW_MS)]
    )
    await retire(postgres)
    assert await postgres.fetchval("SELECT array_agg(id16) FROM kept") == [b"b"]
    assert await postgres.fetchval("SELECT array_agg(used_by) FROM caps") == [b"b"]
    assert await postgres.fetchval("SELECT array_agg(value) FROM revoked") == ["b"]


async def test_scores_of_boards_closed_a_day_ago_go(postgres: Connection) -> None:
    await postgres.execute("INSERT INTO scores SELECT 0, 'ann', unnest($1::text[]), 1, 1", ["old", "new", "running"])
    await postgres.execute("INSERT INTO boards SELECT DISTINCT period FROM scores")
    closed = [("old", NOW_MS - CLOSED_SCORES_KEPT_MS - 1), ("new", NOW_MS - CLOSED_SCORES_KEPT_MS)]
    await postgres.executemany("INSERT INTO closed_periods VALUES ($1, $2, 0, '{}')", closed)
    await retire(postgres)
    for table in ("scores", "boards"):
        left = await postgres.fetch(f"SELECT period FROM {table} ORDER BY 1")  # noqa: S608
        assert [row[0] for row in left] == ["new", "running"]
