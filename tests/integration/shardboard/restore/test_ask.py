"""`shardboard restore` as it is typed, beside a real worker, archiver, Kafka, Valkey and Postgres."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Partition, PeriodId
from tests.support.command import valid
from tests.support.processes import Ended, command
from tests.support.restore_ground import PARTITIONS, RestoreGround, restore_ground
from tests.support.services import StartValkey


@pytest.fixture
async def ground(
    kafka_address: str, start_valkey: StartValkey, postgres_database: str, unique_name: str, tmp_path: Path
) -> AsyncIterator[RestoreGround]:
    server, cache = await start_valkey("s1"), await start_valkey("cache")
    async with restore_ground(
        server,
        kafka=kafka_address,
        cache=cache.address,
        postgres=postgres_database,
        topic=unique_name,
        folder=tmp_path,
    ) as ground:
        yield ground


async def restore(ground: RestoreGround, *words: str) -> Ended:
    environ = {name: value for name, value in ground.environ.items() if name != "SHARDBOARD_SHARD"}
    ended = await command("restore", "--shard", "s1", "--output", "json", *words, cwd=None, **environ)
    if ended.out:
        valid(ended.out, "restore")
    return ended


async def test_state_that_is_not_trusted_is_made_anew_while_records_come(ground: RestoreGround) -> None:
    """A score that no log explains is gone afterwards; from Postgres first, one partition from the log then."""
    rng = random.Random(21)
    await ground.archiver()
    await ground.worker("w1")
    await ground.act(rng, 150)
    await ground.until_exact()
    await ground.until_archived()
    for number in range(PARTITIONS):
        await ground.redis.zadd(redis_keys.scores(Partition(number), PeriodId("all_time")), {"phantom": 9_999})
    done = await restore(ground)
    assert done.code == ExitCode.OK, done.err
    assert [(row["outcome"], row["source"]) for row in done.json["partitions"]] == [("served", "postgres")] * PARTITIONS
    assert sum(row["rows"] for row in done.json["partitions"]) > 0
    await ground.act(rng, 30)
    await ground.until_exact()
    await ground.redis.zadd(redis_keys.scores(Partition(1), PeriodId("all_time")), {"phantom": 9_999})
    alone = await restore(ground, "--partition", "1", "--from", "log")
    assert alone.code == ExitCode.OK, alone.err
    assert [(row["partition"], row["source"], row["restored_offset"]) for row in alone.json["partitions"]] == [
        (1, "log", 0)
    ]
    await ground.until_exact()
    assert await ground.redis.exists(redis_keys.RESTORE_REQUESTS) == 0


async def test_what_cannot_be_restored_is_refused_and_left_as_it_was(ground: RestoreGround) -> None:
    rng = random.Random(22)
    await ground.worker("w1", POSTGRES_URL="")
    await ground.act(rng, 80)
    await ground.until_exact()
    begin = await ground.cut_log(Partition(0))
    refused = await restore(ground, "--partition", "0", "--from", "log")
    assert refused.code == ExitCode.REFUSED
    (row,) = refused.json["partitions"]
    assert f"the log begins at offset {begin}" in row["reason"]
    some = await restore(ground)
    assert some.code == ExitCode.DIFFERENT
    assert {row["partition"] for row in some.json["partitions"] if row["outcome"] == "refused"} == {0}
    foreign = await restore(ground, "--partition", str(PARTITIONS))
    assert foreign.code == ExitCode.REFUSED
    assert foreign.json["partitions"][0]["reason"] == "this shard does not own it"
    await ground.act(rng, 20)
    await ground.until_exact()


async def test_without_a_worker_the_request_is_taken_back(ground: RestoreGround) -> None:
    worker = await ground.worker("w1", POSTGRES_URL="")
    await ground.act(random.Random(23), 5)
    await ground.until_exact()
    await worker.kill()
    stalled = await restore(ground, "--timeout", "1s")
    assert stalled.code == ExitCode.STALLED
    assert {row["outcome"] for row in stalled.json["partitions"]} == {"not_done"}
    assert await ground.redis.exists(redis_keys.RESTORE_REQUESTS) == 0


async def test_shard_where_no_worker_ever_was_has_nothing_to_restore(ground: RestoreGround) -> None:
    assert (await restore(ground)).code == ExitCode.NOTHING_TO_DO
