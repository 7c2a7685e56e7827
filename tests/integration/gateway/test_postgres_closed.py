"""Closed boards of a real Postgres, closed as the archiver closes them, against plain sorting; then over HTTP."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from archiver.postgres_boards import close_board
from archiver.postgres_migrate import upgrade
from contracts.clock import now_ms
from contracts.ids import LogMs, PeriodId, UserId
from contracts.partition_key import partition_of
from contracts.periods import PeriodCalendar
from contracts.ranking import TopRow, competition_ranks, order_key
from foundation.kafka_cluster import cluster_id
from foundation.postgres_connect import Connection, connect
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from gateway.board_walk import Mark, above_all_of
from gateway.postgres_closed import ArchiveAway, ClosedBoards
from tests.integration.gateway.conftest import PARTITIONS
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.wait import wait_until

DAY = PeriodId("daily:2026-11-23")
CLOSED_MS = 1_795_500_000_000


@dataclass(slots=True)
class Archive:
    """A database with one closed board."""

    url: str
    connection: Connection
    rows: list[TopRow]
    """In board order."""

    async def hide(self, user: str) -> None:
        """As the archiver does when a moderator's record comes after the end."""
        await self.connection.execute(
            "INSERT INTO hidden VALUES ($1, $2, '{}')", partition_of(UserId(user), PARTITIONS), user
        )


async def close(connection: Connection, scores: dict[str, tuple[int, int]], *, hidden: set[str]) -> list[TopRow]:
    """Close the board with these scores; who is hidden then has a parked one. The rows shown, in board order."""
    partitions = {user: partition_of(UserId(user), PARTITIONS) for user in scores}
    for user in hidden:
        parked = json.dumps({DAY: scores[user]})
        await connection.execute("INSERT INTO hidden VALUES ($1, $2, $3::text::jsonb)", partitions[user], user, parked)
    shown = {user: score for user, score in scores.items() if user not in hidden}
    rows = [(partitions[user], user, DAY, *score) for user, score in shown.items()]
    await connection.copy_records_to_table("scores", records=rows)
    await connection.execute("INSERT INTO boards VALUES ($1)", DAY)
    assert await close_board(connection, DAY, ends=[], now_ms=CLOSED_MS)
    found = [TopRow(UserId(user), score, LogMs(at), partitions[user]) for user, (score, at) in shown.items()]
    return sorted(found, key=order_key)


@pytest.fixture
async def archive(postgres_database: str) -> AsyncIterator[Archive]:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    mark = ClusterMark("a deployment", "actions", PARTITIONS, "all_time,daily,weekly", 900_000)
    await store_postgres_mark(connection, mark)
    yield Archive(postgres_database, connection, [])
    await connection.close()


@pytest.fixture
async def closed(archive: Archive) -> AsyncIterator[ClosedBoards]:
    boards = ClosedBoards(archive.url, mark=lambda: None)
    yield boards
    await boards.close()


@pytest.mark.parametrize("seed", range(3))
async def test_ranks_and_pages_are_as_by_plain_sorting(archive: Archive, closed: ClosedBoards, seed: int) -> None:
    rng = random.Random(seed)
    scores = {f"user-{n}": (rng.choice([[3], [1, 2, 3], range(500)][seed]), rng.randrange(5)) for n in range(150)}
    hidden = {"user-3", "user-77"}
    rows = await close(archive.connection, scores, hidden=hidden)
    expected = list(zip(competition_ranks([row.score for row in rows]), [row.user_id for row in rows], strict=True))
    assert await closed.is_closed(DAY)
    assert not await closed.is_closed(PeriodId("daily:2026-11-22"))
    found = await closed.ranks(DAY, [UserId(user) for user in (*scores, "nobody")])
    shown = {place.user_id: place for place in found.places.values() if not place.is_hidden}
    assert {user: place.rank for user, place in shown.items()} == {user: rank for rank, user in expected}
    for place in found.places.values():
        better = [row.score for row in rows if row.score > place.score]
        assert (place.rank, place.above) == (1 + len(better), min(better, default=None))
        assert place.total == 148 + place.is_hidden
        assert place.is_hidden == (place.user_id in hidden)
    for n, limit in ((0, 7), (5, 40), (100, 100), (147, 3)):
        mark = Mark(rows[n].score, rows[n].scored_at, rows[n].user_id)
        after = await closed.page(DAY, mark, limit=limit)
        assert [(each.rank, each.row.user_id) for each in after.rows] == expected[n + 1 : n + 1 + limit]
        assert after.is_end == (n + 1 + limit >= 148)
        before = await closed.page(DAY, mark, limit=limit, is_back=True)
        assert [(each.rank, each.row.user_id) for each in before.rows] == expected[max(0, n - limit) : n]
        assert before.is_end == (n <= limit)
        assert await closed.score_at(DAY, n + 1) == rows[n].score
        jumped = await closed.page(DAY, above_all_of(rows[n].score), limit=1)
        assert jumped.rows[0].row.score == rows[n].score
        assert jumped.rows[0].rank == expected[n][0]
    assert await closed.score_at(DAY, 149) is None
    top = await closed.page(DAY, None, limit=10)
    assert ([(each.rank, each.row.user_id) for each in top.rows], top.total) == (expected[:10], 148)


async def test_erased_users_leave_gaps_and_those_hidden_since_are_not_shown(
    archive: Archive, closed: ClosedBoards
) -> None:
    rows = await close(archive.connection, {user: (9 - n, 1) for n, user in enumerate("abcdefg")}, hidden=set())
    await archive.connection.execute(
        "UPDATE leaderboards SET user_id = 'erased', erased = true WHERE user_id IN ('b', 'd')"
    )
    await archive.hide("c")
    page = await closed.page(DAY, None, limit=3)
    assert [(each.rank, each.row.user_id) for each in page.rows] == [(1, "a"), (5, "e")]
    mark = Mark(rows[1].score, 1, UserId("b"))
    assert [each.row.user_id for each in (await closed.page(DAY, mark, limit=9)).rows] == ["e", "f", "g"]
    places = (await closed.ranks(DAY, [UserId(user) for user in "abce"])).places
    assert {user: (place.rank, place.is_hidden) for user, place in places.items()} == {
        "a": (1, False), "c": (3, True), "e": (5, False),
    }  # fmt: skip
    assert places[UserId("e")].above == rows[3].score


async def test_closed_boards_of_a_kind_and_names(archive: Archive, closed: ClosedBoards) -> None:
    for period in ("daily:2026-11-21", "daily:2026-11-22", "daily:2026-11-23", "weekly:2026-W47"):
        await archive.connection.execute("INSERT INTO closed_periods VALUES ($1, 5, 7, '{}')", period)
    await archive.connection.execute("INSERT INTO users VALUES ('ada', 0, 'Ada', NULL), ('bob', 0, NULL, NULL)")
    assert await closed.closed_of("daily", before=None, limit=2) == [
        ("daily:2026-11-23", 5, 7), ("daily:2026-11-22", 5, 7),
    ]  # fmt: skip
    assert [row[0] for row in await closed.closed_of("daily", before="daily:2026-11-22", limit=9)] == [
        "daily:2026-11-21"
    ]
    assert await closed.names([UserId("ada"), UserId("bob"), UserId("cy")]) == {"ada": "Ada"}


async def test_an_archive_that_is_away_or_anothers_says_so(archive: Archive) -> None:
    other = ClusterMark("another", "actions", PARTITIONS, "all_time,daily,weekly", 900_000)
    for boards in (
        ClosedBoards("postgresql://nobody@127.0.0.1:1/none", mark=lambda: None),
        ClosedBoards("", mark=lambda: None),
        ClosedBoards(archive.url, mark=lambda: other),
    ):
        with pytest.raises(ArchiveAway):
            await boards.is_closed(DAY)
        await boards.close()


@pytest.fixture
async def reading(
    postgres_database: str, gateway_env: dict[str, str], kafka_address: str
) -> AsyncIterator[RunningGateway]:
    """A gateway with an archive in which one day is closed. No shard is there: nobody needs one for it."""
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    spec = PeriodCalendar("all_time,daily,weekly").spec
    mark = ClusterMark(
        await cluster_id(kafka_address), gateway_env["SHARDBOARD_ACTIONS_TOPIC"], PARTITIONS, spec, 900_000
    )
    await store_postgres_mark(connection, mark)
    await close(connection, {"ada": (30, 1), "bob": (20, 1), "cy": (20, 2), "eve": (25, 1)}, hidden={"eve"})
    await connection.execute("INSERT INTO users VALUES ('bob', 0, 'Bob', NULL)")
    await connection.close()
    async with running_gateway({**gateway_env, "SHARDBOARD_POSTGRES_URL": postgres_database}) as running:
        await wait_until(running.is_ready, timeout_s=20, what="the gateway to be ready")
        yield running


async def test_a_closed_board_answers_every_route(reading: RunningGateway) -> None:
    board = (await reading.get(f"/leaderboard?period={DAY}&limit=2")).json
    assert [(e["rank"], e["user_id"], e["name"], e["score"]) for e in board["entries"]] == [
        (1, "ada", None, 30), (2, "bob", "Bob", 20),
    ]  # fmt: skip
    assert (board["version"], board["complete"], board["stale"], board["stale_shards"]) == (CLOSED_MS, True, False, [])
    rank = (await reading.get(f"/users/cy/rank?period={DAY}")).json
    assert (rank["rank"], rank["total"], rank["to_next"], rank["as_of"]) == (2, 3, 10, CLOSED_MS)
    assert (await reading.get(f"/users/eve/rank?period={DAY}")).code == "not-found"
    own = {"Authorization": f"Bearer {token_for('eve')}"}
    assert (await reading.get(f"/users/eve/rank?period={DAY}", **own)).json["rank"] == 2
    around = (await reading.get(f"/users/bob/around?period={DAY}&before=1&after=1")).json
    assert [entry["user_id"] for entry in around["entries"]] == ["ada", "bob", "cy"]
    first = (await reading.get(f"/leaderboard?period={DAY}&rank=1&limit=1")).json
    second = (await reading.get(f"/leaderboard?limit=5&cursor={first['next']}")).json
    assert [entry["user_id"] for entry in second["entries"]] == ["bob", "cy"]
    async with reading.http.post(f"{reading.url}/ranks", json={"users": ["cy", "bob", "x"], "period": DAY}) as response:
        friends = await response.json()
    assert ([entry["rank"] for entry in friends["entries"]], friends["missing"]) == ([2, 2], ["x"])
    assert (
        await reading.get("/leaderboard?period=daily:2026-11-01")
    ).status == 503  # it may be open: no shard can tell
    daily = (await reading.get("/periods?kind=daily")).json["kinds"][0]
    assert [(each["period"], each["users"]) for each in daily["closed"]] == [(DAY, 4)]
    assert daily["current"]["start"] <= now_ms()
