"""The merger as a service on a real cache: two at once, restarts, and a cache that is emptied, frozen or damaged."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import metric_names
from contracts.clock import now_ms
from contracts.ids import PeriodId
from contracts.periods import PeriodCalendar
from contracts.redis_keys import SHARD_TOP_CHANGED, SHARD_TOPS, TOP_CHANGED, TOP_VERSION, top
from contracts.tops import GlobalTop, decode_global_top, encode_top
from foundation.metrics import Metrics
from foundation.service import StopSignal
from merger.http_metrics import MergerMetrics
from merger.redis_cache import MergerCache
from merger.service import Merger
from merger.settings import read_settings
from tests.support.services import StartValkey
from tests.support.shard_tops import FakeShard, shard_top
from tests.support.wait import wait_until

ALL_TIME = PeriodId("all_time")
StartMerger = Callable[..., Awaitable["Running"]]


class Running:
    """A merger in this process."""

    def __init__(self, url: str, *, shards: str, stale_after_ms: int) -> None:
        environ = {
            "SHARDBOARD_CACHE_URL": url,
            "SHARDBOARD_SHARDS": ",".join(f"{shard}=redis://127.0.0.1:1/0" for shard in shards.split(",")),
            "SHARDBOARD_SHARD_STALE_AFTER_MS": str(stale_after_ms),
        }
        self.metrics = MergerMetrics(Metrics())
        self.merger = Merger(read_settings(environ), MergerCache(url), metrics=self.metrics)
        self.stop_signal = StopSignal()
        self.task = asyncio.create_task(self.merger.run(self.stop_signal), name="merger")

    async def stop(self) -> None:
        self.stop_signal.set()
        await self.task

    def value(self, metric: metric_names.MetricName, labels: dict[str, str] | None = None) -> float:
        suffix = "_count" if metric.kind == "histogram" else ""
        return self.metrics.registry.get_sample_value(metric.name + suffix, labels or {}) or 0.0

    @property
    def is_ready(self) -> bool:
        return self.merger.readiness().is_ready


@pytest.fixture
async def start_merger() -> AsyncIterator[StartMerger]:
    async with AsyncExitStack() as ending:

        async def start(url: str, *, shards: str = "s1,s2", stale_after_ms: int = 3_000) -> Running:
            running = Running(url, shards=shards, stale_after_ms=stale_after_ms)
            ending.push_async_callback(running.stop)
            return running

        yield start


class Boards:
    """Reads boards, and checks at each look that versions and positions never go back."""

    def __init__(self, cache: Redis) -> None:
        self.cache = cache
        self.last: GlobalTop | None = None

    async def read(self, period: PeriodId = ALL_TIME) -> GlobalTop | None:
        data = await self.cache.get(top(period))
        if data is None:
            return None
        assert isinstance(data, bytes)
        board = decode_global_top(data)
        if self.last is not None and period == self.last.period:
            assert board.version >= self.last.version
            now = {position.partition: position.next_offset for position in board.positions}
            assert all(now[p.partition] >= p.next_offset for p in self.last.positions)
        self.last = board
        return board

    async def until(self, *users: str, stale: tuple[str, ...] = (), period: PeriodId = ALL_TIME) -> GlobalTop:
        """Wait for a board with exactly these users."""
        found: GlobalTop | None = None

        async def is_there() -> bool:
            nonlocal found
            found = await self.read(period)
            return found is not None and tuple(r.user_id for r in found.rows) == users and found.stale_shards == stale

        await wait_until(is_there, timeout_s=20, what=f"a board of {users}, stale {stale}, last {self.last}")
        assert found is not None
        return found


async def announced(cache: Redis) -> list[dict[bytes, bytes]]:
    """The fields of every entry in the boards' stream."""
    entries: Any = await cache.xrange(TOP_CHANGED)
    return [fields for _, fields in entries]


@asynccontextmanager
async def heartbeats(*shards: FakeShard) -> AsyncIterator[None]:
    """The shards publish four times a second, as workers do each second; a cache that is away is tried again."""
    is_over = asyncio.Event()

    async def beat() -> None:
        while not is_over.is_set():
            for shard in shards:
                try:
                    async with asyncio.timeout(1):
                        await shard.publish()
                except (RedisError, TimeoutError, OSError):
                    continue
            try:
                await asyncio.wait_for(is_over.wait(), 0.25)
            except TimeoutError:
                continue

    task = asyncio.create_task(beat(), name="heartbeats")
    try:
        yield
    finally:
        is_over.set()
        await task


async def test_rows_of_all_shards_reach_the_board_on_valkey_and_redis(
    any_redis: Redis, any_redis_url: str, start_merger: StartMerger
) -> None:
    one, two, boards = (
        FakeShard(any_redis, "s1", partition=0),
        FakeShard(any_redis, "s2", partition=1),
        Boards(any_redis),
    )
    running = await start_merger(any_redis_url)
    await one.publish(ada=5)
    await two.publish(bob=7, eve=7)
    board = await boards.until("bob", "eve", "ada")
    assert (board.ranks, board.complete) == ((1, 1, 3), True)
    assert board.as_of_ms is not None
    assert board.as_of_ms <= now_ms()
    assert running.is_ready
    await one.publish(ada=9)
    await boards.until("ada", "bob", "eve")
    assert running.value(metric_names.VISIBLE_SECONDS) >= 1
    assert running.value(metric_names.MERGE_SECONDS) >= 1
    assert running.value(metric_names.TOP_MEMBERSHIP_CHANGES, {"kind": "all_time"}) == 3


async def test_empty_boards_of_the_current_periods_exist_at_once(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    await start_merger(valkey_url)
    await FakeShard(valkey, "s1", partition=0).publish()
    await FakeShard(valkey, "s2", partition=1).publish()
    for period in PeriodCalendar().span_at(now_ms()).ids:
        board = await Boards(valkey).until(period=period)
        assert (board.complete, board.as_of_ms is None) == (True, False)
        expires_ms = await valkey.pexpiretime(top(period))
        assert (expires_ms == -1) is (period == ALL_TIME)


async def test_every_board_written_is_announced_and_the_merger_beats(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    await start_merger(valkey_url, shards="s1")
    shard = FakeShard(valkey, "s1", partition=0)
    await shard.publish(ada=1)
    board = await Boards(valkey).until("ada")

    expected = {b"period": b"all_time", b"version": str(board.version).encode()}
    assert expected in await announced(valkey)

    async def beats() -> bool:
        return sum(b"heartbeat" in fields for fields in await announced(valkey)) >= 2

    await wait_until(beats, what="two heartbeats")


async def test_two_mergers_write_monotone_versions_and_right_boards(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    """Both see every publication; whoever is overtaken is refused, and no announcement ever goes back."""
    mergers = [await start_merger(valkey_url) for _ in range(2)]
    one, two, boards = FakeShard(valkey, "s1", partition=0), FakeShard(valkey, "s2", partition=1), Boards(valkey)
    for i in range(1, 201):
        await one.publish(ada=2 * i)
        await two.publish(bob=2 * i + i % 3 - 1)
    await one.publish(ada=1000)
    await boards.until("ada", "bob")
    versions = [int(fields[b"version"]) for fields in await announced(valkey) if b"version" in fields]
    assert versions == sorted(set(versions))
    assert versions[-1] == int(await valkey.get(TOP_VERSION) or 0)
    assert sum(m.value(metric_names.WRITES_REFUSED) for m in mergers) > 0
    await mergers[0].stop()
    await two.publish(bob=2000)
    await boards.until("bob", "ada")


async def test_restarted_merger_holds_a_partition_that_would_go_back(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    one, two, boards = FakeShard(valkey, "s1", partition=0), FakeShard(valkey, "s2", partition=1), Boards(valkey)
    first = await start_merger(valkey_url)
    await one.publish(ada=5, eve=4)
    await two.publish(bob=3)
    await boards.until("ada", "eve", "bob")
    await first.stop()
    await one.publish_top(shard_top("s1", {0: (1, 1)}, boards={"all_time": {"ada": 5}}, sequence=50))
    second = await start_merger(valkey_url)
    await two.publish(bob=6)
    board = await boards.until("bob", "ada", "eve")
    assert [position.is_catching_up for position in board.positions] == [True, False]
    await wait_until(lambda: second.value(metric_names.PARTITIONS_HELD) == 1, what="the metric")
    one.sequence = 50
    await one.publish(eve=0)
    board = await boards.until("bob", "ada")
    assert not any(position.is_catching_up for position in board.positions)


async def test_emptied_cache_is_filled_again_and_versions_go_on(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    one, two, boards = FakeShard(valkey, "s1", partition=0), FakeShard(valkey, "s2", partition=1), Boards(valkey)
    running = await start_merger(valkey_url)
    await one.publish(ada=5)
    await two.publish(bob=3)
    before = await boards.until("ada", "bob")
    await valkey.flushall()
    after = await boards.until("ada", "bob")
    assert after.version > before.version
    await one.publish(eve=4)
    await boards.until("ada", "eve", "bob")
    assert running.value(metric_names.CACHE_LOSSES) == 1


async def test_versions_go_on_from_the_newest_known_though_the_clock_is_behind(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    ahead, shard, boards = now_ms() + 10**9, FakeShard(valkey, "s1", partition=0), Boards(valkey)
    await valkey.set(TOP_VERSION, ahead)
    await start_merger(valkey_url, shards="s1")
    await shard.publish(ada=5)
    assert (await boards.until("ada")).version > ahead
    await valkey.flushall()
    await shard.publish(bob=6)
    assert (await boards.until("bob", "ada")).version > ahead


async def test_emptied_cache_without_our_function_is_filled_again(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    shard, boards = FakeShard(valkey, "s1", partition=0), Boards(valkey)
    running = await start_merger(valkey_url, shards="s1")
    await shard.publish(ada=5)
    await boards.until("ada")
    await valkey.function_flush()
    await shard.publish(bob=6)
    await boards.until("bob", "ada")
    assert running.is_ready


async def test_frozen_cache_makes_the_merger_unready_and_ready_again(
    start_valkey: StartValkey, start_merger: StartMerger
) -> None:
    """While frozen nobody can hear; that is not the shards' silence, so none becomes stale by it."""
    server = await start_valkey("cache")
    assert server.pid is not None
    async with Redis.from_url(server.address) as cache:
        one, boards = FakeShard(cache, "s1", partition=0), Boards(cache)
        running = await start_merger(server.address, shards="s1")
        async with heartbeats(one):
            await one.publish(ada=5)
            before = await boards.until("ada")
            os.kill(server.pid, signal.SIGSTOP)
            try:
                await wait_until(lambda: not running.is_ready, what="unready")
            finally:
                os.kill(server.pid, signal.SIGCONT)
            await wait_until(lambda: running.is_ready, what="ready")
            await one.publish(bob=6)
            after = await boards.until("bob", "ada")
        assert after.version > before.version


async def test_cache_that_restarts_empty_gets_every_board_back(
    start_valkey: StartValkey, start_merger: StartMerger
) -> None:
    server = await start_valkey("cache")
    async with Redis.from_url(server.address) as cache:
        one, boards = FakeShard(cache, "s1", partition=0), Boards(cache)
        await start_merger(server.address, shards="s1")
        await one.publish(ada=5)
        before = await boards.until("ada")
    await server.stop(grace_s=0)
    for file in (server.data_dir / "appendonlydir").iterdir():
        file.unlink()
    await server.start()
    async with Redis.from_url(server.address) as cache:
        boards = Boards(cache)
        after = await boards.until("ada")
        assert after.version > before.version


async def test_silent_shard_is_stale_and_back_at_its_return(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    one, two, boards = FakeShard(valkey, "s1", partition=0), FakeShard(valkey, "s2", partition=1), Boards(valkey)
    await start_merger(valkey_url, stale_after_ms=1_000)
    async with heartbeats(one):
        await one.publish(ada=5)
        await two.publish(bob=3)
        await boards.until("ada", "bob")
        await boards.until("ada", "bob", stale=("s2",))
        await two.publish()
        await boards.until("ada", "bob")


async def test_shard_that_never_published_is_stale_and_the_board_incomplete(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    one, boards = FakeShard(valkey, "s1", partition=0), Boards(valkey)
    await start_merger(valkey_url, stale_after_ms=1_000)
    async with heartbeats(one):
        await one.publish(ada=5)
        board = await boards.until("ada", stale=("s2",))
    assert not board.complete


async def test_damaged_and_newer_version_shard_tops_are_ignored(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    one, boards = FakeShard(valkey, "s1", partition=0), Boards(valkey)
    running = await start_merger(valkey_url, shards="s1")
    await one.publish(ada=5)
    await boards.until("ada")
    good = await valkey.hget(SHARD_TOPS, "s1")
    assert isinstance(good, bytes)
    other = FakeShard(valkey, "s9", partition=9)
    await other.publish_bytes(b"\x93not a top")
    await other.publish_bytes(good.replace(b"\xa1v\x01", b"\xa1v\x02"))
    await one.publish(bob=6)
    await boards.until("bob", "ada")
    damaged = {"reason": "damaged"}
    await wait_until(lambda: running.value(metric_names.SHARD_TOPS_IGNORED, damaged) >= 1, what="the metric")


async def test_shard_that_nobody_configured_is_merged_too(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    await start_merger(valkey_url, shards="s1")
    await FakeShard(valkey, "s1", partition=0).publish(ada=5)
    await FakeShard(valkey, "s7", partition=1).publish(bob=6)
    await Boards(valkey).until("bob", "ada")


async def test_changes_that_were_dropped_from_the_stream_are_read_from_the_state(
    valkey: Redis, valkey_url: str, start_merger: StartMerger
) -> None:
    """The merger cannot take part while the stream overflows: it then reads all tops instead of the named ones."""
    shards = [FakeShard(valkey, f"s{i}", partition=i) for i in range(1, 3)]
    await start_merger(valkey_url)
    boards = Boards(valkey)
    for shard in shards:
        await shard.publish(**{f"u{shard.partition}": 1})
    await boards.until("u1", "u2")
    async with valkey.pipeline(transaction=True) as pipe:
        top_of_one = shard_top("s1", {1: (1, 2)}, boards={"all_time": {"u1": 1, "new": 9}}, sequence=9)
        pipe.hset(SHARD_TOPS, "s1", encode_top(top_of_one))
        pipe.xadd(SHARD_TOP_CHANGED, {"shard": "s1"})
        for _ in range(2_000):
            pipe.xadd(SHARD_TOP_CHANGED, {"shard": "s2"}, maxlen=1_000, approximate=False)
        await pipe.execute()
    await boards.until("new", "u1", "u2")
