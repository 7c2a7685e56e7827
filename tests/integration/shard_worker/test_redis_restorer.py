"""Lost partitions come back exactly, with every server real: whatever was lost, whoever died, whatever was away."""

import asyncio
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Partition, PeriodId, UserId
from contracts.partition_key import partition_of
from contracts.record import HideRecord
from contracts.tops import GlobalTop, decode_global_top
from foundation.postgres_connect import connect
from tests.support.restore_ground import PARTITIONS, RestoreGround, action, fresh_id, restore_ground
from tests.support.services import StartPostgres, StartValkey
from tests.support.wait import wait_until
from tests.support.worker_process import ROOT, WorkerProcess

ALL = [Partition(number) for number in range(PARTITIONS)]


@pytest.fixture(params=["valkey", "redis7"])
async def ground(
    request: pytest.FixtureRequest,
    kafka_address: str,
    start_valkey: StartValkey,
    start_redis7: StartValkey,
    postgres_database: str,
    unique_name: str,
    tmp_path: Path,
) -> AsyncIterator[RestoreGround]:
    start = start_redis7 if request.param == "redis7" else start_valkey
    server, cache = await start("s1"), await start_valkey("cache")
    async with restore_ground(
        server,
        kafka=kafka_address,
        cache=cache.address,
        postgres=postgres_database,
        topic=unique_name,
        folder=tmp_path,
    ) as ground:
        yield ground


async def test_deleted_data_directory_comes_back_from_postgres_and_the_log(ground: RestoreGround) -> None:
    """Part of the log is only in Kafka. Repeats are recognised at once, hidden users stay hidden, the board at the
    merger never goes back."""
    rng = random.Random(11)
    await ground.archiver()
    worker = await ground.worker("w1")
    merger = await start_merger(ground)
    await ground.act(rng, 250)
    hidden = UserId("user-hidden")
    await ground.write(action(hidden, rng, points=500))
    await ground.write(HideRecord(v=1, id=fresh_id(rng), user_id=hidden, received_at=0, by="m", reason="r"))
    await ground.until_exact()
    await ground.until_archived()
    watch = asyncio.create_task(watch_board(ground), name="watch board")
    await ground.lose_everything()
    for record in ground.sent[-40:]:
        await ground.write(record)
    await ground.until_exact()
    assert "source=postgres" in worker.log
    await ground.act(rng, 60)
    await ground.until_exact()
    await wait_until(lambda: is_ready(worker), timeout_s=20, what="the worker to be ready")
    assert hidden not in await ground.cells(partition_of(hidden, PARTITIONS), PeriodId("all_time"))
    await until_shown(ground)
    watch.cancel()
    (boards,) = await asyncio.gather(watch, return_exceptions=True)
    assert not isinstance(boards, AssertionError), boards
    merger.kill()
    await merger.wait()


async def test_without_postgres_a_whole_log_is_enough(ground: RestoreGround) -> None:
    rng = random.Random(12)
    worker = await ground.worker("w1", POSTGRES_URL="")
    await ground.act(rng, 150)
    await ground.until_exact()
    await ground.lose_everything()
    await ground.act(rng, 30)
    await ground.until_exact()
    assert worker.is_running


async def test_postgres_away_and_log_cut_refuses_one_partition_until_postgres_is_back(
    ground: RestoreGround, start_postgres: StartPostgres
) -> None:
    """The others go on. The refusal says what is missing in readiness, metric and log."""
    rng = random.Random(13)
    postgres = await start_postgres("postgres")
    ground.settings["POSTGRES_URL"] = postgres.address
    archiver = await ground.archiver()
    worker = await ground.worker("w1")
    await ground.act(rng, 150)
    await ground.until_exact()
    await ground.until_archived()
    archiver.kill()
    await archiver.wait()
    await postgres.stop(grace_s=0)
    victim = Partition(2)
    begin = await ground.cut_log(victim)
    await ground.lose_everything()
    others = [partition for partition in ALL if partition != victim]
    await ground.act(rng, 40)
    await ground.until_exact(others)

    async def is_refused() -> bool:
        detail = await worker.ready()
        return detail is not None and list(detail["refused"]) == [str(victim)]

    await wait_until(is_refused, timeout_s=20, what="the partition to be refused")
    detail = await worker.ready()
    assert detail is not None
    assert detail["status"] == "not ready"
    assert f"the log begins at offset {begin}" in detail["refused"][str(victim)]
    assert "Postgres does not answer" in detail["refused"][str(victim)]
    assert 'shardboard_partitions_refused{shard="s1"} 1.0' in await worker.metrics()
    assert worker.log.count("partition_refused") >= 1
    await ground.act(rng, 40)
    await ground.until_exact(others)
    await postgres.start()
    await ground.until_exact()
    await wait_until(lambda: is_ready(worker), timeout_s=20, what="the worker to be ready")
    assert 'shardboard_partitions_refused{shard="s1"} 0.0' in await worker.metrics()


async def test_worker_killed_at_any_point_of_a_restore_leaves_nothing_false(ground: RestoreGround) -> None:
    """Killed after a random number of calls, again and again; each time another worker finds `restoring`, or less."""
    rng = random.Random(14)
    await ground.archiver()
    first = await ground.worker("w0")
    await ground.act(rng, 150)
    await ground.until_exact()
    await ground.until_archived()
    await first.kill()
    found: set[bytes | None] = set()
    for life in range(1, 9):
        if life % 3 == 1:
            await ground.redis.flushall()
        await ground.redis.config_resetstat()
        worker, calls = await ground.worker(f"w{life}"), rng.randint(2, 55)

        async def has_called(least: int = calls) -> bool:
            return await fcalls(ground.redis) >= least

        await wait_until(has_called, timeout_s=30, what=f"{calls} calls")
        await worker.kill()
        for partition in ALL:
            found.add(await ground.redis.hget(redis_keys.progress(partition), "state"))  # type: ignore[arg-type]
        await ground.act(rng, 5)
    await ground.worker("last")
    await ground.until_exact()
    assert b"owned" in found


async def test_restoring_left_by_a_killed_worker_is_begun_again(ground: RestoreGround) -> None:
    rng = random.Random(15)
    await ground.archiver()
    first = await ground.worker("w1")
    await ground.act(rng, 100)
    await ground.until_exact()
    await ground.until_archived()
    await first.kill()
    for partition in ALL:
        half = {"state": "restoring", "token": "somebody's", "chunks": "1", "writer": ""}
        await ground.redis.hset(redis_keys.progress(partition), mapping=half)  # type: ignore[arg-type]
        await ground.redis.zadd(redis_keys.scores(partition, PeriodId("all_time")), {"phantom": 9})
    await ground.worker("w2")
    await ground.until_exact()


async def test_gap_is_restored_from_postgres(ground: RestoreGround) -> None:
    """The worker was away so long that retention removed records which it had not applied."""
    rng = random.Random(16)
    await ground.archiver()
    first = await ground.worker("w1")
    await ground.act(rng, 60)
    await ground.until_exact()
    await first.kill()
    await ground.act(rng, 120)
    await ground.until_archived()
    for partition in ALL:
        await ground.cut_log(partition)
    worker = await ground.worker("w2")
    await ground.until_exact()
    assert "the log lost records that were never applied" in worker.log


async def test_archive_of_another_log_is_refused(ground: RestoreGround) -> None:
    """Postgres stands beyond the log's end, or archived another record at its position: neither is restored from."""
    rng = random.Random(17)
    archiver = await ground.archiver()
    first = await ground.worker("w1")
    await ground.act(rng, 100)
    await ground.until_exact()
    await ground.until_archived()
    archiver.send_signal(signal.SIGTERM)
    await archiver.wait()
    await first.kill()
    connection = await connect(ground.settings["POSTGRES_URL"], name="test")
    beyond = "UPDATE archive_progress SET scores_next = scores_next + 5, raw_next = raw_next + 5 WHERE partition = 0"
    await connection.execute(beyond)
    await connection.execute("UPDATE archive_progress SET last = replace(last, ':', ':1') WHERE partition = 1")
    await connection.close()
    await ground.redis.flushall()
    worker = await ground.worker("w2")
    await ground.until_exact([Partition(2), Partition(3)])

    async def are_refused() -> bool:
        detail = await worker.ready()
        return detail is not None and sorted(detail["refused"]) == ["0", "1"]

    await wait_until(are_refused, timeout_s=20, what="two partitions to be refused")
    detail = await worker.ready()
    assert detail is not None
    assert "it is another log, or lost its tail" in detail["refused"]["0"]
    assert "Postgres archived another log" in detail["refused"]["1"]
    assert await ground.redis.exists(redis_keys.progress(Partition(0))) == 0


async def is_ready(worker: WorkerProcess) -> bool:
    detail = await worker.ready()
    return detail is not None and detail["status"] == "ready"


async def fcalls(redis: Redis) -> int:
    stats: Any = await redis.info("commandstats")
    return int(stats.get("cmdstat_fcall", {}).get("calls", 0))


async def start_merger(ground: RestoreGround) -> asyncio.subprocess.Process:
    environ = {key: value for key, value in ground.environ.items() if key != "SHARDBOARD_SHARD"}
    with (ground.folder / "merger.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "merger", env=environ, cwd=ROOT, stderr=log, stdout=log
        )


async def board(ground: RestoreGround) -> GlobalTop | None:
    async with Redis.from_url(ground.settings["CACHE_URL"]) as cache:
        data: Any = await cache.get(redis_keys.top(PeriodId("all_time")))
    return decode_global_top(data) if data else None


async def watch_board(ground: RestoreGround) -> None:
    """Raises AssertionError when any partition's position on the board goes back."""
    furthest: dict[Partition, int] = {}

    async def goes_back() -> bool:
        shown = await board(ground)
        for position in shown.positions if shown else ():
            assert position.next_offset >= furthest.get(position.partition, 0), (position, furthest)
            furthest[position.partition] = position.next_offset
        return False

    await wait_until(goes_back, timeout_s=600)


async def until_shown(ground: RestoreGround) -> None:
    async def is_shown() -> bool:
        shown = await board(ground)
        ends = {partition: len(ground.logs.get(partition, [])) for partition in ALL}
        return shown is not None and {p.partition: p.next_offset for p in shown.positions} == ends

    await wait_until(is_shown, timeout_s=20, what="the board to show the whole log")
