"""Every difference that is planted in a shard's Redis by hand is found and named with both values."""

from typing import Any

import pytest

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from contracts.ids import Partition, UserId
from contracts.partition_key import partition_of
from contracts.periods import ALL_TIME
from contracts.record import EraseRecord, HideRecord, Limits
from tests.support.command import valid
from tests.support.live_shards import PARTITIONS, Deployment, action, scores_key

ADA = "ada"


async def verify(deployment: Deployment, *words: str) -> tuple[int, Any]:
    ended = await deployment.run("verify", "--output", "json", *words)
    assert ended.out, ended.err
    return ended.code, valid(ended.out, "verify")


async def fill(deployment: Deployment) -> None:
    """Actions of many kinds, and Ada with a known score."""
    await deployment.act(600, seed=1)
    await deployment.send(action(ADA, 7, limits=Limits(cap_per_day=3, cooldown_ms=1), keep_until=2**42))
    await deployment.send(action("mallory", 500))
    more: Any = {"v": 1, "received_at": 1, "by": "mod", "reason": "r"}
    await deployment.send(HideRecord(id=action("x", 1).id, user_id=UserId("mallory"), **more))
    await deployment.send(action("mallory", 3))
    await deployment.send(action("gone", 9))
    await deployment.send(EraseRecord(id=action("x", 1).id, user_id=UserId("gone"), **more))
    await deployment.producer.flush()
    await deployment.until_shown()


@pytest.mark.timeout(240)
async def test_a_clean_deployment_is_equal_and_planted_differences_are_named(deployment: Deployment) -> None:
    """One deployment for all plants: each is made in Redis by hand, found, named with both values, and taken back."""
    await fill(deployment)
    code, report = await verify(deployment, "--deep")
    assert (code, report["verdict"], report["first"]) == (ExitCode.OK, "equal", None), report
    assert report["records"] == sum(deployment.sent.values())
    assert {p["partition"]: p["next_offset"] for p in report["partitions"]} == deployment.sent
    for partition in report["partitions"]:
        by_store = {store["store"]: store for store in partition["stores"]}
        assert set(by_store) == {"redis", "board"}
        assert by_store["redis"]["digest"] == by_store["redis"]["log_digest"]
        assert by_store["redis"]["from_offset"] == by_store["redis"]["offset"] == partition["next_offset"]
    await plant_differences(deployment)
    assert (await verify(deployment, "--deep"))[0] == ExitCode.OK


async def plant_differences(deployment: Deployment) -> None:
    partition = partition_of(UserId(ADA), PARTITIONS)
    p, redis = Partition(partition), await deployment.owner(partition)
    times, key = redis_keys.scored_at(p, ALL_TIME), scores_key(ADA)
    at = await redis.hget(times, ADA)
    assert isinstance(at, bytes)

    async def first(*words: str) -> Any:
        code, report = await verify(deployment, "--partition", str(partition), *words)
        assert code == ExitCode.DIFFERENT, report
        assert report["first"]["partition"] == partition
        return report["first"]

    right = {"score": 7, "scored_at": int(at)}
    await redis.zincrby(key, 5, ADA)
    found = await first()
    assert (found["store"], found["user_id"], found["period"]) == ("redis", ADA, ALL_TIME)
    assert (found["log"], found["found"]) == (right, {**right, "score": 12})
    table = await deployment.run("verify", "--partition", str(partition))
    assert f"user 'ada', period all_time, partition {partition}" in table.out.replace("\n", " ")
    await redis.zrem(key, ADA)
    found = await first()
    assert (found["user_id"], found["log"], found["found"]) == (ADA, right, None)
    await redis.zadd(key, {ADA: 7, "phantom": 1})
    found = await first()
    assert (found["user_id"], found["log"], found["found"]) == ("phantom", None, {"score": 1, "scored_at": 0})
    await redis.zrem(key, "phantom")
    await redis.hset(times, ADA, str(int(at) + 1))
    found = await first()
    assert (found["user_id"], found["log"], found["found"]) == (ADA, right, {**right, "scored_at": int(at) + 1})
    await redis.hset(times, ADA, at)
    (seen,) = [key async for key in redis.scan_iter(match=redis_keys.partition_prefix(p) + "seen:*")]
    id16 = await redis.srandmember(seen)
    assert isinstance(id16, bytes)
    await redis.srem(seen, id16)
    assert (await verify(deployment, "--partition", str(partition)))[0] == ExitCode.OK
    found = await first("--deep")
    assert (found["table"], found["key"], found["log"], found["found"]) == (
        seen.decode().removeprefix(redis_keys.partition_prefix(p)), id16.hex(), 1, None,
    )  # fmt: skip
    await redis.sadd(seen, id16)
    await redis.hincrby(redis_keys.progress(p), "points", 1)
    found = await first()
    assert (found["table"], found["key"], found["found"] - found["log"]) == ("progress", "points", 1)
    await redis.hincrby(redis_keys.progress(p), "points", -1)
