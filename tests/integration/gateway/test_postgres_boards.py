"""A gateway without a cache on what the archiver wrote to a real Postgres: what it shows, how, and until when."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from archiver.place import Place
from archiver.postgres_archive import archive, arrive
from archiver.postgres_migrate import upgrade
from archiver.postgres_places import read_places
from archiver.postgres_scores import flush
from archiver.postgres_session import PLANNER
from archiver.score_fold import BoardClock
from contracts.clock import now_ms
from contracts.counting import CountingRules
from contracts.ids import ActionId, LogMs, Offset, Partition, PeriodId, UserId
from contracts.periods import PeriodCalendar
from contracts.ranking import TopRow, top_rows
from contracts.record import ActionRecord, HideRecord, Record, encode
from contracts.tops import GLOBAL_TOP_ROWS
from foundation.kafka_cluster import cluster_id
from foundation.postgres_connect import Connection, connect
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from foundation.service import Refused, StopSignal
from gateway.postgres_boards import _READ_BY_KEY, _sql
from gateway.service import Gateway
from gateway.settings import read_settings
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.integration.gateway.conftest import PARTITIONS
from tests.integration.gateway.test_redis_boards import has_version, is_stale, read, write_board
from tests.support.apply_model import LogRecord
from tests.support.running_gateway import RunningGateway, running_gateway
from tests.support.services import StartPostgres, StartValkey
from tests.support.wait import wait_until

ALL = PeriodId("all_time")
CALENDAR = PeriodCalendar("all_time,daily,weekly")
RULES = CountingRules()


class Archiver:
    """Writes as the archiver does, without Kafka."""

    def __init__(self, connection: Connection, places: dict[Partition, Place]) -> None:
        self.connection = connection
        self._places = places
        self._clock = BoardClock(RULES, CALENDAR)
        self.records = 0

    async def write(self, partition: int, *records: Record, log_ms: int) -> None:
        place = self._places[Partition(partition)]
        first = place.raw.next_offset
        log = [LogRecord(first + n, log_ms, None, encode(record)) for n, record in enumerate(records)]
        await archive(self.connection, [arrive(place, log)], rules=RULES, clock=self._clock)
        await flush(self.connection, [place], rules=RULES, clock=self._clock)
        self.records += len(records)


def act(user: str, points: int, *, at: int, name: str | None = None) -> ActionRecord:
    action_id = ActionId(f"{user}-{points}-{at}")
    return ActionRecord(
        v=1, id=action_id, user_id=UserId(user), received_at=at, action="commit", points=points, at=at, name=name
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """A gateway whose cache is not there, and the archive that it reads."""

    environ: dict[str, str]
    archiver: Archiver
    cache: ValkeyServer


@pytest.fixture
async def scene(gateway_env: dict[str, str], postgres_database: str, start_valkey: StartValkey) -> AsyncIterator[Scene]:
    connection = await connect(postgres_database, name="test", settings=PLANNER)
    try:
        archiver = await _archiver(connection, await _mark(gateway_env))
        cache = await start_valkey("cache")
        await cache.stop()
        environ = {
            **gateway_env,
            "SHARDBOARD_CACHE_URL": cache.address,
            "SHARDBOARD_POSTGRES_URL": postgres_database,
        }
        yield Scene(environ, archiver, cache)
    finally:
        await connection.close()


async def _archiver(connection: Connection, mark: ClusterMark) -> Archiver:
    await upgrade(connection)
    await store_postgres_mark(connection, mark)
    begins = {Partition(p): Offset(0) for p in range(PARTITIONS)}
    return Archiver(connection, await read_places(connection, begins, rules=RULES))


async def _mark(environ: dict[str, str], **other: Any) -> ClusterMark:
    cluster = await cluster_id(environ["SHARDBOARD_KAFKA"])
    topic = environ["SHARDBOARD_ACTIONS_TOPIC"]
    return ClusterMark(
        **{
            "deployment": cluster, "topic": topic, "partitions": PARTITIONS, "periods": CALENDAR.spec,
            "window_ms": RULES.window_ms, **other,
        }
    )  # fmt: skip


async def test_without_a_cache_the_archives_board_is_shown_stale_and_kept_up_to_date(scene: Scene) -> None:
    at = now_ms()
    for partition in range(PARTITIONS):
        await scene.archiver.write(partition, act(f"user{partition}", 10 + partition // 2, at=at), log_ms=at)
    await scene.archiver.write(0, act("user0", 9, at=at, name="Ada"), log_ms=at + 5)
    async with running_gateway(scene.environ) as gateway:
        await wait_until(lambda: has_version(gateway, 5), what="the archive's board")
        assert await read(gateway, "?limit=3") == {
            "period": "all_time",
            "version": 5,
            "as_of": at + 5,
            "complete": True,
            "stale": True,
            "stale_shards": [],
            "entries": [
                {"rank": 1, "user_id": "user0", "name": "Ada", "score": 19},
                {"rank": 2, "user_id": "user2", "name": None, "score": 11},
                {"rank": 2, "user_id": "user3", "name": None, "score": 11},
            ],
        }
        today = CALENDAR.current("daily", at).id
        assert (await read(gateway, f"?period={today}"))["entries"] == (await read(gateway))["entries"]
        await wait_until(gateway.is_ready, timeout_s=20, what="ready with it")
        await scene.archiver.write(1, act("user1", 100, at=at), log_ms=at + 9)
        await wait_until(lambda: has_version(gateway, 6), what="a later reading")
        assert (await read(gateway))["entries"][0] == {"rank": 1, "user_id": "user1", "name": None, "score": 110}


async def test_hidden_users_are_left_out(scene: Scene) -> None:
    """Twice: as the archiver hides, and with a score left behind on the board, which must not be enough to show it."""
    at = now_ms()
    hide = HideRecord(v=1, id=ActionId("h"), user_id=UserId("cheat"), received_at=at, by="mod", reason="cheats")
    await scene.archiver.write(0, act("cheat", 99, at=at), act("fair", 5, at=at), hide, log_ms=at)
    async with running_gateway(scene.environ) as gateway:
        await wait_until(lambda: has_version(gateway, 3), what="the board")
        assert [entry["user_id"] for entry in (await read(gateway))["entries"]] == ["fair"]
        await scene.archiver.connection.execute("INSERT INTO scores VALUES (0, 'cheat', 'all_time', 99, 1)")
        await scene.archiver.write(1, act("other", 7, at=at), log_ms=at)
        await wait_until(lambda: has_version(gateway, 4), what="the next reading")
        assert [entry["user_id"] for entry in (await read(gateway))["entries"]] == ["other", "fair"]


async def test_the_caches_first_board_replaces_the_archives_for_good(scene: Scene) -> None:
    """The stream's readers get it too, and afterwards the cache may die: its last board stays, whatever the archive
    learns meanwhile. The boards that the cache does not have are empty."""
    at = now_ms()
    await scene.archiver.write(0, act("old", 1, at=at), log_ms=at)
    weekly = CALENDAR.current("weekly", at).id
    async with running_gateway(scene.environ) as gateway:
        await wait_until(lambda: has_version(gateway, 1), what="the archive's board")
        async with gateway.http.get(f"{gateway.url}/leaderboard/stream?period={weekly}") as stream:
            assert b'"user_id":"old"' in await _data(stream.content)
            await scene.cache.start()
            async with Redis.from_url(scene.cache.address) as cache:
                await write_board(cache, ALL, version=at, scores=[("new", 3)])
            await wait_until(lambda: has_version(gateway, at), timeout_s=15, what="the cache's board")
            assert b'"entries":[]' in await _data(stream.content)
        await scene.cache.stop()
        await wait_until(lambda: _is_away(gateway), what="the cache to be missed")
        await scene.archiver.write(0, act("old", 50, at=at), log_ms=at)
        readers = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shardboard gateway boards'"
        await wait_until(lambda: _is_zero(scene.archiver.connection, readers), what="the archive to be left alone")
        await wait_until(lambda: is_stale(gateway, True), what="stale")
        body = await read(gateway)
        assert (body["version"], body["entries"][0]["user_id"]) == (at, "new")


async def _data(content: Any) -> bytes:
    """The next board of a stream; who entered and left it is told before."""
    event = b""
    async with asyncio.timeout(15):
        while not ((line := await content.readline()).startswith(b"data: ") and event == b"event: board"):
            assert line, "the stream ended"
            if line.startswith(b"event: "):
                event = line.strip()
    return bytes(line)


async def _is_away(gateway: RunningGateway) -> bool:
    async with gateway.http.get(f"{gateway.internal_url}/health/ready") as response:
        return b'"cache":"away"' in (await response.read()).replace(b" ", b"")


async def _is_zero(connection: Connection, sql: str) -> bool:
    return bool(await connection.fetchval(sql) == 0)


async def test_a_cache_that_is_there_but_empty_does_not_hide_the_archive(scene: Scene) -> None:
    at = now_ms()
    await scene.archiver.write(0, act("ada", 4, at=at), log_ms=at)
    await scene.cache.start()
    async with running_gateway(scene.environ) as gateway:
        await wait_until(lambda: has_version(gateway, 1), what="the archive's board")
        assert (await read(gateway))["entries"][0]["user_id"] == "ada"


async def test_without_cache_and_postgres_no_board_is_made_up(
    gateway_env: dict[str, str], start_postgres: StartPostgres
) -> None:
    """Then Postgres comes, without a schema, with one but nobody's, and at last with an archive."""
    postgres = await start_postgres("archive")
    await postgres.stop()
    environ = {
        **gateway_env,
        "SHARDBOARD_CACHE_URL": f"redis://127.0.0.1:{free_ports(1)[0]}/0",
        "SHARDBOARD_POSTGRES_URL": postgres.address,
    }
    async with running_gateway(environ) as gateway:
        answer = await gateway.get("/leaderboard")
        assert (answer.status, answer.code) == (503, "board-unavailable")
        await postgres.start()
        connection = await connect(postgres.address, name="test", settings=PLANNER)
        try:
            # The gateway's connection may be too short to be seen; that there was one more is not.
            sessions = "SELECT sessions FROM pg_stat_database WHERE datname = current_database()"
            before = await connection.fetchval(sessions)

            async def has_come() -> bool:
                return bool(await connection.fetchval(sessions) > before)

            await wait_until(has_come, timeout_s=15, what="the gateway to have come")
            await upgrade(connection)
            assert (await gateway.get("/leaderboard")).status == 503
            archiver = await _archiver(connection, await _mark(gateway_env))
            await archiver.write(0, act("ada", 4, at=now_ms()), log_ms=now_ms())
            await wait_until(lambda: has_version(gateway, 1), timeout_s=15, what="the archive's board")
        finally:
            await connection.close()
        await postgres.stop()
        assert (await read(gateway))["version"] == 1
        assert (await gateway.get("/leaderboard?period=daily:2024-01-01")).code == "board-unavailable"


async def test_another_deployments_archive_is_refused(gateway_env: dict[str, str], postgres_database: str) -> None:
    connection = await connect(postgres_database, name="test")
    try:
        await _archiver(connection, await _mark(gateway_env, deployment="another"))
    finally:
        await connection.close()
    environ = {
        **gateway_env,
        "SHARDBOARD_CACHE_URL": f"redis://127.0.0.1:{free_ports(1)[0]}/0",
        "SHARDBOARD_POSTGRES_URL": postgres_database,
        "SHARDBOARD_LISTEN": "127.0.0.1:0",
    }
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(30):
            await Gateway(read_settings(environ)).serve(StopSignal())
    assert caught.group_contains(Refused, match="belongs to another deployment: deployment is 'another'")


async def test_the_order_is_the_contracts(scene: Scene) -> None:
    """2,000 users with few scores and times, and ids whose order differs between bytes, locales and UTF-16."""
    rows = [_row(n, prefix) for n in range(500) for prefix in ("a", "B", "é", "\U0001f600", "\uff5e")]
    await _insert(scene.archiver.connection, rows)
    async with scene.archiver.connection.transaction(readonly=True):
        found = await scene.archiver.connection.fetch(_sql("top"), ALL, GLOBAL_TOP_ROWS)
    assert [(row["user_id"], row["score"], row["scored_at"]) for row in found] == [
        (row.user_id, row.score, row.scored_at) for row in top_rows(rows, GLOBAL_TOP_ROWS)
    ]


def _row(n: int, prefix: str) -> TopRow:
    return TopRow(UserId(f"{prefix}{n}"), n % 3 - 1, LogMs(n % 4), Partition(n % PARTITIONS))


async def _insert(connection: Connection, rows: Sequence[TopRow]) -> None:
    await connection.copy_records_to_table(
        "scores",
        records=[(row.partition, row.user_id, ALL, row.score, row.scored_at) for row in rows],
        columns=["partition", "user_id", "period", "score", "scored_at"],
    )


@pytest.mark.parametrize("analyzed", [False, True])
async def test_a_reading_costs_the_rows_that_it_shows(scene: Scene, postgres_database: str, analyzed: bool) -> None:
    """With and without statistics: the plan reads by the board's index, and 20,000 other rows are not touched."""
    connection = scene.archiver.connection
    await _insert(connection, [_row(n, "u") for n in range(20_000)])
    await connection.execute("INSERT INTO hidden VALUES (0, 'nobody', '{}')")
    if analyzed:
        await connection.execute("ANALYZE")
    reader = await connect(postgres_database, name="test", settings=_READ_BY_KEY)
    try:
        sql = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_sql('top')}"
        (plan,) = await reader.fetch(sql.replace("$1", f"'{ALL}'").replace("$2", str(GLOBAL_TOP_ROWS)))
    finally:
        await reader.close()
    text = plan[0]
    assert "scores_by_place" in text
    for slow in ("Seq Scan", "Bitmap", '"Sort"', "Hash"):
        assert slow not in text, text
    touched = _touched(text)
    assert touched < 1_000, text


def _touched(plan: str) -> int:
    root = json.loads(plan)[0]["Plan"]
    return int(root["Shared Hit Blocks"] + root["Shared Read Blocks"])
