"""The snapshot for restores: read in chunks, at one moment, whatever is written meanwhile."""

import pytest

from contracts.ids import Partition, UserId
from foundation import postgres_snapshot
from foundation.postgres_connect import Connection, connect
from foundation.postgres_snapshot import read_partition_snapshot
from tests.support.archives import ANN, Archive, act
from tests.support.histories import RULES, START_MS

WINDOW_MS = RULES.window_ms


async def test_partition_that_was_never_archived_has_no_head(postgres: Connection) -> None:
    async with read_partition_snapshot(postgres, Partition(5), window_ms=WINDOW_MS) as snapshot:
        assert snapshot.head is None
        assert [rows async for rows in snapshot.seen()] == []
        assert [rows async for rows in snapshot.scores()] == []


async def test_begin_of_the_archive_is_told(postgres: Connection) -> None:
    await postgres.execute("INSERT INTO archive_progress VALUES (5, 70, 90, 9, '', 80, 8, '79:8:1', 0, 0)")
    async with read_partition_snapshot(postgres, Partition(5), window_ms=WINDOW_MS) as snapshot:
        assert snapshot.head is not None
        assert (snapshot.head.begin_offset, snapshot.head.next_offset, snapshot.head.log_ms) == (70, 80, 8)


def test_one_moment_in_chunks(archives: Archive, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that are archived but not in the scores are not in it, nor what is flushed while it is read."""
    monkeypatch.setattr(postgres_snapshot, "CHUNK_ROWS", 4)
    place = archives.begin()
    old = [act(n, name="Ann") for n in range(5)]
    new = [act(n) for n in range(5, 16)]
    shift = 3 * WINDOW_MS
    moved = [type(r)(r.offset, r.timestamp + shift, r.key, r.value) for r in new]
    archives.archive(place, [*old, *moved])
    archives.flush(place)
    archives.archive(place, [act(16)])

    async def read() -> tuple[list[int], list[int], dict[UserId, str]]:
        reader = await connect(postgres_database, name="test")
        async with read_partition_snapshot(reader, archives.partition, window_ms=WINDOW_MS) as snapshot:
            assert snapshot.head is not None
            chunks = [rows async for rows in snapshot.seen()]
            await archives.connection.execute("UPDATE scores SET score = 0")
            await archives.connection.execute("DELETE FROM actions")
            chunks_again = [rows async for rows in snapshot.seen()]
            assert chunks == chunks_again
            scores = [row.score async for rows in snapshot.scores() for row in rows if row.period == "all_time"]
            names = {row.user_id: row.name async for rows in snapshot.names() for row in rows}
        await reader.close()
        return [len(rows) for rows in chunks], scores, names

    sizes, scores, names = archives.run(read())
    assert max(sizes) <= 4
    assert sum(sizes) == 11
    assert scores == [16]
    assert names == {ANN: "Ann"}
    assert START_MS % WINDOW_MS + 16 < WINDOW_MS
