"""An id that counted is found out: the shard is asked, and the log where the shard forgot."""

from contracts.exit_codes import ExitCode
from contracts.ids import UserId
from contracts.partition_key import partition_of
from contracts.record import encode
from tests.integration.shardboard.dead.test_replay import letter, replay, score, until_score
from tests.support.live_shards import PARTITIONS, Deployment, action


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
    partition = partition_of(UserId("ben"), PARTITIONS)
    redis = await deployment.owner(partition)
    async for key in redis.scan_iter(match=f"lb:{{{partition}}}:seen:*"):
        await redis.delete(key)
    code, report = await replay(deployment, await letter(deployment, encode(counted), key=b"ben"))
    assert code == ExitCode.DIFFERENT
    assert f"the log has it at {partition}/0" in report["refused"][0]["reason"]
