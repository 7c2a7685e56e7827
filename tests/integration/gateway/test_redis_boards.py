"""Boards through a real cache: what a reader gets when it changes, goes back, falls silent, dies and returns."""

import os
import shutil
import signal
from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from contracts.clock import now_ms
from contracts.ids import LogMs, Partition, PeriodId, UserId
from contracts.periods import PeriodCalendar
from contracts.ranking import TopRow, competition_ranks
from contracts.redis_keys import TOP_CHANGED, top
from contracts.tops import GlobalTop, encode_top
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer
from tests.support.running_gateway import RunningGateway, running_gateway
from tests.support.services import StartValkey
from tests.support.wait import wait_until

CALENDAR = PeriodCalendar("all_time,daily,weekly")
ALL = PeriodId("all_time")


async def write_board(
    cache: Redis, period: PeriodId, *, version: int, scores: Sequence[tuple[str, int]], **fields: Any
) -> None:
    """As the merger does: the board, then the entry in the stream of changes."""
    board = GlobalTop(
        period=period,
        version=version,
        positions=(),
        rows=tuple(TopRow(UserId(user), score, LogMs(1), Partition(0), user.title()) for user, score in scores),
        ranks=tuple(competition_ranks([score for _, score in scores])),
        complete=True,
        as_of_ms=fields.pop("as_of_ms", 1_000),
        published_at_ms=2_000,
        **fields,
    )
    await cache.set(top(period), encode_top(board))
    await cache.xadd(TOP_CHANGED, {"period": period, "version": str(version)}, maxlen=1_000)


async def beat(cache: Redis) -> None:
    await cache.xadd(TOP_CHANGED, {"heartbeat": str(now_ms())}, maxlen=1_000)


async def read(gateway: RunningGateway, query: str = "") -> dict[str, Any]:
    answer = await gateway.get(f"/leaderboard{query}")
    assert answer.status == 200
    body: dict[str, Any] = answer.json
    return body


async def has_version(gateway: RunningGateway, version: int, *, query: str = "") -> bool:
    answer = await gateway.get(f"/leaderboard{query}")
    return answer.status == 200 and bool(answer.json["version"] == version)


async def is_stale(gateway: RunningGateway, expected: bool) -> bool:
    return bool((await read(gateway))["stale"] is expected)


async def test_a_board_is_served_as_the_merger_wrote_it(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=7, scores=[("ada", 30), ("bob", 20), ("cyd", 20), ("dan", 1)])
    await wait_until(lambda: has_version(gateway, 7), what="the board")
    await wait_until(lambda: is_stale(gateway, False), what="the board to be fresh")
    assert await read(gateway, "?limit=3") == {
        "period": "all_time",
        "version": 7,
        "as_of": 1_000,
        "complete": True,
        "stale": False,
        "stale_shards": [],
        "entries": [
            {"rank": 1, "user_id": "ada", "name": "Ada", "score": 30},
            {"rank": 2, "user_id": "bob", "name": "Bob", "score": 20},
            {"rank": 2, "user_id": "cyd", "name": "Cyd", "score": 20},
        ],
    }


async def test_boards_written_before_the_start_are_there(gateway_env: dict[str, str], valkey: Redis) -> None:
    today = CALENDAR.current("daily", now_ms()).id
    past = PeriodId("daily:2024-02-29")
    for version, period in enumerate((ALL, today, past), start=1):
        await write_board(valkey, period, version=version, scores=[("ada", version)])
    async with running_gateway(gateway_env) as gateway:
        await wait_until(lambda: has_version(gateway, 2, query="?period=daily"), what="today's board")
        assert (await read(gateway, f"?period={today}"))["entries"] == (await read(gateway, "?period=daily"))["entries"]
        assert (await read(gateway, f"?period={past}"))["version"] == 3


async def test_periods_without_a_board(gateway: RunningGateway) -> None:
    assert (await read(gateway, "?period=weekly"))["entries"] == []
    for period, status, code in (
        ("daily:2999-01-01", 404, "unknown-period"),
        ("monthly", 404, "unknown-period"),
        ("yearly", 404, "unknown-period"),
        ("daily:2020-13-01", 422, "invalid-field"),
        ("%00", 422, "invalid-field"),
    ):
        answer = await gateway.get(f"/leaderboard?period={period}")
        assert (answer.status, answer.code) == (status, code), period
        stream = await gateway.get(f"/leaderboard/stream?period={period}")
        assert (stream.status, stream.code) == (status, code), period


async def test_a_lower_version_never_replaces_a_higher_one(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=9, scores=[("ada", 9)])
    await wait_until(lambda: has_version(gateway, 9))
    await write_board(valkey, ALL, version=8, scores=[("ada", 8)])
    other = CALENDAR.current("weekly", now_ms()).id
    await write_board(valkey, other, version=10, scores=[("ada", 10)])
    await wait_until(lambda: has_version(gateway, 10, query="?period=weekly"), what="a change after the lower one")
    assert (await read(gateway))["version"] == 9


async def test_a_board_that_cannot_be_read_leaves_the_last_one(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)])
    await wait_until(lambda: has_version(gateway, 1))
    await valkey.set(top(ALL), b"\xc1 not msgpack")
    await valkey.xadd(TOP_CHANGED, {"period": ALL, "version": "2"})
    other = CALENDAR.current("weekly", now_ms()).id
    await write_board(valkey, other, version=3, scores=[("ada", 3)])
    await wait_until(lambda: has_version(gateway, 3, query="?period=weekly"))
    assert (await read(gateway))["version"] == 1


async def test_a_silent_merger_makes_boards_stale_and_its_beat_fresh(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)])
    await beat(valkey)
    await wait_until(lambda: is_stale(gateway, False), what="fresh")
    fresh = (await gateway.get("/leaderboard")).headers["ETag"]
    await wait_until(lambda: is_stale(gateway, True), what="stale after 3 s of silence")
    assert (await gateway.get("/leaderboard")).headers["ETag"] != fresh
    await beat(valkey)
    await wait_until(lambda: is_stale(gateway, False), what="fresh again")
    assert (await gateway.get("/leaderboard")).headers["ETag"] == fresh


async def test_a_stale_shard_is_named(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)], stale_shards=("s2",))
    await wait_until(lambda: has_version(gateway, 1))
    body = await read(gateway)
    assert (body["stale"], body["stale_shards"]) == (True, ["s2"])


async def test_an_unchanged_board_costs_304(gateway: RunningGateway, valkey: Redis) -> None:
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)], stale_shards=("s1",))
    await wait_until(lambda: has_version(gateway, 1))
    first = await gateway.get("/leaderboard")
    tag = first.headers["ETag"]
    assert first.headers["Cache-Control"] == "no-cache"
    for sent in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await gateway.get("/leaderboard", **{"If-None-Match": sent})
        assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
    await write_board(valkey, ALL, version=2, scores=[("ada", 2)], stale_shards=("s1",))
    await wait_until(lambda: has_version(gateway, 2))
    assert (await gateway.get("/leaderboard", **{"If-None-Match": tag})).status == 200


async def test_a_cache_that_dies_leaves_the_last_board_stale_and_its_return_is_followed(
    gateway_env: dict[str, str], start_valkey: StartValkey
) -> None:
    """While the gateway sees nothing at its port, the same data gets a new board on another one, and no entry in the
    stream of changes: the gateway finds it only if it reads the whole state after its return."""
    server = await start_valkey("cache")
    elsewhere = ValkeyServer(server.data_dir, port=free_ports(1)[0], name="elsewhere")
    async with running_gateway({**gateway_env, "SHARDBOARD_CACHE_URL": server.address}) as gateway:
        async with Redis.from_url(server.address) as cache:
            await write_board(cache, ALL, version=1, scores=[("ada", 1)])
            await wait_until(lambda: has_version(gateway, 1))
        await server.stop()
        await wait_until(lambda: is_stale(gateway, True), what="stale")
        assert (await read(gateway))["entries"][0]["score"] == 1
        await elsewhere.start()
        async with Redis.from_url(elsewhere.address) as cache:
            await write_board(cache, ALL, version=2, scores=[("ada", 2)])
            await cache.delete(TOP_CHANGED)
        await elsewhere.stop()
        await server.start()
        await wait_until(lambda: has_version(gateway, 2), what="the board of while it was away")


async def test_a_frozen_cache_leaves_the_last_board_stale_and_its_thaw_is_followed(
    gateway_env: dict[str, str], start_valkey: StartValkey
) -> None:
    """Reads are answered all the while: none of them waits for the cache."""
    server = await start_valkey("cache")
    assert server.pid is not None
    async with (
        running_gateway({**gateway_env, "SHARDBOARD_CACHE_URL": server.address}) as gateway,
        Redis.from_url(server.address) as cache,
    ):
        await write_board(cache, ALL, version=1, scores=[("ada", 1)])
        await wait_until(lambda: has_version(gateway, 1))
        os.kill(server.pid, signal.SIGSTOP)
        try:
            await wait_until(lambda: is_stale(gateway, True), what="stale")
            assert (await read(gateway))["entries"][0]["score"] == 1
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await write_board(cache, ALL, version=2, scores=[("ada", 2)])
        await wait_until(lambda: has_version(gateway, 2), what="the board after the thaw")
        await wait_until(lambda: is_stale(gateway, False), what="fresh again")


async def test_an_emptied_cache_leaves_the_last_board_until_the_merger_writes_again(
    gateway: RunningGateway, valkey: Redis
) -> None:
    """Emptied with its stream: the ids of new changes begin anew, and a reader that waits at an old id must see them.
    The board that comes is newer; one of a merger that lost its counter would not be taken."""
    await write_board(valkey, ALL, version=5, scores=[("ada", 5)])
    await wait_until(lambda: has_version(gateway, 5))
    await valkey.flushall()
    await wait_until(lambda: is_stale(gateway, True), what="stale")
    assert (await read(gateway))["version"] == 5
    await write_board(valkey, ALL, version=4, scores=[("ada", 4)])
    weekly = CALENDAR.current("weekly", now_ms()).id
    await write_board(valkey, weekly, version=6, scores=[("ada", 6)])
    await wait_until(lambda: has_version(gateway, 6, query="?period=weekly"), what="a board written afterwards")
    assert (await read(gateway))["version"] == 5
    await write_board(valkey, ALL, version=7, scores=[("ada", 7)])
    await wait_until(lambda: has_version(gateway, 7))


async def test_a_cache_rolled_back_to_an_older_copy_shows_nobody_an_older_board(
    gateway_env: dict[str, str], start_valkey: StartValkey
) -> None:
    """The copy is taken after version 1; version 2 is seen; the cache returns from the copy. Every answer from then on
    is looked at, until version 3 comes: none may be older than 2."""
    server = await start_valkey("cache")
    copy = server.data_dir.with_name("copy")
    async with running_gateway({**gateway_env, "SHARDBOARD_CACHE_URL": server.address}) as gateway:
        async with Redis.from_url(server.address) as cache:
            await write_board(cache, ALL, version=1, scores=[("ada", 1)])
        await wait_until(lambda: has_version(gateway, 1))
        await server.stop()
        shutil.copytree(server.data_dir, copy)
        await server.start()
        async with Redis.from_url(server.address) as cache:
            await write_board(cache, ALL, version=2, scores=[("ada", 2)])
        await wait_until(lambda: has_version(gateway, 2))
        await server.stop()
        shutil.rmtree(server.data_dir)
        shutil.copytree(copy, server.data_dir)
        await server.start()
        seen: list[int] = []

        async def has_seen(version: int) -> bool:
            seen.append((await read(gateway))["version"])
            return seen[-1] == version

        async with Redis.from_url(server.address) as cache:
            today = CALENDAR.current("daily", now_ms()).id
            assert await cache.get(top(today)) is None
            await write_board(cache, today, version=1, scores=[("ada", 1)])
            await wait_until(lambda: has_version(gateway, 1, query="?period=daily"), what="the old cache to be read")
            assert await has_seen(2)
            await write_board(cache, ALL, version=3, scores=[("ada", 3)])
            await wait_until(lambda: has_seen(3))
    assert seen == sorted(seen)
    assert seen[0] == 2


async def test_a_gateway_that_never_reached_the_cache_says_so(
    gateway_env: dict[str, str], start_valkey: StartValkey
) -> None:
    server = await start_valkey("cache")
    await server.stop()
    async with running_gateway({**gateway_env, "SHARDBOARD_CACHE_URL": server.address}) as gateway:
        for path in ("/leaderboard", "/leaderboard/stream"):
            answer = await gateway.get(path)
            assert (answer.status, answer.code) == (503, "board-unavailable")
        assert not await gateway.is_ready()
        await server.start()
        await wait_until(lambda: has_version(gateway, 0), what="the empty board")


async def test_a_reader_costs_the_cache_nothing(gateway: RunningGateway, valkey: Redis) -> None:
    """The cache counts the commands of its clients: hundreds of reads must not add any but the follower's XREADs."""
    await write_board(valkey, ALL, version=1, scores=[("ada", 1)])
    await wait_until(lambda: has_version(gateway, 1))
    await valkey.config_resetstat()
    for _ in range(200):
        await gateway.get("/leaderboard?limit=5")
    stats = await valkey.info("commandstats")
    assert not {name for name in stats if name not in ("cmdstat_xread", "cmdstat_config|resetstat", "cmdstat_info")}
