"""An id that counted is found out: the shard is asked, the archive and the log where the shard forgot."""

import asyncpg
import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import UserId
from contracts.partition_key import partition_of
from contracts.record import EraseRecord, encode
from tests.integration.shardboard.dead.test_replay import letter, replay, score, until_score
from tests.support.live_shards import PARTITIONS, Deployment, action
from tests.support.wait import wait_until


async def test_what_counted_is_never_sent_again(deployment: Deployment) -> None:
    """The id counted; two letters of one id; a foreign key; a foreign topic."""
    counted, twice, foreign = action("ben", 3), action("cleo", 4), action("dora", 5)
    await deployment.send(counted)
    await deployment.producer.flush()
    await until_score(deployment, "ben", wanted=3)
    numbers = [await letter(deployment, encode(one), key=one.user_id.encode()) for one in (counted, twice, twice)]
    numbers.append(await letter(deployment, encode(foreign), key=b"somebody"))
    code, report = await replay(deployment, *numbers)
    assert code == ExitCode.DIFFERENT
    assert [sent["number"] for sent in report["sent"]] == [numbers[1]]
    reasons = {refused["number"]: refused["reason"] for refused in report["refused"]}
    assert "its id counted already: shard s" in reasons[numbers[0]]
    assert "same id" in reasons[numbers[2]]
    assert "its key" in reasons[numbers[3]]
    await until_score(deployment, "cleo", wanted=4)
    assert await score(deployment, "ben") == 3
    assert await score(deployment, "dora") is None


async def test_a_shard_that_forgot_does_not_make_it_count_twice(deployment: Deployment) -> None:
    """Windows pass and ids are dropped from Redis: then the log itself is asked."""
    counted = action("ben", 3)
    await deployment.send(counted)
    await deployment.producer.flush()
    await until_score(deployment, "ben", wanted=3)
    partition = await forget(deployment, "ben")
    code, report = await replay(deployment, await letter(deployment, encode(counted), key=b"ben"))
    assert code == ExitCode.DIFFERENT
    assert f"the log has it at {partition}/0" in report["refused"][0]["reason"]


async def forget(deployment: Deployment, user: str) -> int:
    """As when the windows pass: the user's shard drops ids. Returns the partition."""
    partition = partition_of(UserId(user), PARTITIONS)
    redis = await deployment.owner(partition)
    async for key in redis.scan_iter(match=f"lb:{{{partition}}}:seen:*"):
        await redis.delete(key)
    return partition


@pytest.mark.timeout(240)
async def test_the_archive_knows_what_the_shard_forgot(archived_deployment: Deployment) -> None:
    """Of a user who was erased since too, whose rows are gone. Without the archive, the log says it."""
    deployment = archived_deployment
    ben, gone = action("ben", 3), action("gone", 4)
    await deployment.send(ben)
    await deployment.send(gone)
    erase = EraseRecord(v=1, id=action("x", 1).id, user_id=gone.user_id, received_at=1, by="mod", reason="asked")
    await deployment.send(erase)
    await deployment.producer.flush()
    await deployment.until_shown()
    await until_archived(deployment)
    assert await archived(deployment, "SELECT user_id FROM actions WHERE kind = 'action'") == ["ben"]
    partitions = [await forget(deployment, user) for user in ("ben", "gone")]
    numbers = [await letter(deployment, encode(one), key=one.user_id.encode()) for one in (ben, gone)]
    code, report = await replay(deployment, *numbers)
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    reasons = {refused["number"]: refused["reason"] for refused in report["refused"]}
    assert reasons == dict.fromkeys(numbers, "its id counted already: the archive has it as counted")
    deployment.settings["POSTGRES_URL"] = "postgresql://nobody@127.0.0.1:9/none"
    code, report = await replay(deployment, *numbers)
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    for refused, partition in zip(report["refused"], sorted(partitions), strict=True):
        assert f"the log has it at {partition}/" in refused["reason"]


async def archived(deployment: Deployment, sql: str) -> list[object]:
    """The first column of what the archive answers."""
    connection = await asyncpg.connect(deployment.settings["POSTGRES_URL"])
    try:
        return [row[0] for row in await connection.fetch(sql)]
    finally:
        await connection.close()


async def until_archived(deployment: Deployment) -> None:
    """Wait until the archive's scores contain all that was sent."""

    async def is_archived() -> bool:
        stands = await archived(deployment, "SELECT scores_next FROM archive_progress ORDER BY partition")
        return stands == [sent for _, sent in sorted(deployment.sent.items())]

    await wait_until(is_archived, timeout_s=60, what="everything to be archived")
