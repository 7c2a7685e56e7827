"""`shardboard dead` on real Kafka, Valkey and workers: letters are seen whole, and count once when replayed."""

from typing import Any

from contracts import dead_letter
from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from contracts.ids import SCORE_LIMIT, Offset, UserId
from contracts.partition_key import partition_of
from contracts.record import AdjustRecord, encode
from foundation.kafka_topics import create_marks_topic
from shardboard.dead.box import DeadBox
from shardboard.dead.letters import Mark
from tests.support.command import valid
from tests.support.live_shards import PARTITIONS, Deployment, action, scores_key
from tests.support.wait import wait_until

NOT_YET = b'{"v":1,"kind":"action","id":"x"}'


async def letter(
    deployment: Deployment, value: bytes | None, *, key: bytes | None, reason: str = "unknown kind"
) -> int:
    """A letter as a worker writes it, of a record that its version could not read; the letter's number."""
    headers = [
        (dead_letter.REASON, reason.encode()),
        (dead_letter.TOPIC, deployment.settings["ACTIONS_TOPIC"].encode()),
        (dead_letter.PARTITION, b"1"),
        (dead_letter.OFFSET, b"7"),
    ]
    sent = await deployment.producer.send_and_wait(deployment.settings["DEAD_TOPIC"], value, key=key, headers=headers)
    return int(sent.offset)


async def letters(deployment: Deployment, *words: str) -> list[Any]:
    ended = await deployment.run("dead", "list", "--output", "json", *words)
    assert ended.code == ExitCode.OK, ended.err
    found: list[Any] = valid(ended.out, "dead-list")["letters"]
    return found


async def replay(deployment: Deployment, *words: object) -> tuple[int, Any]:
    ended = await deployment.run("dead", "replay", "--output", "json", *map(str, words))
    assert ended.out, ended.err
    return ended.code, valid(ended.out, "dead-replay")


async def score(deployment: Deployment, user: str) -> float | None:
    redis = await deployment.owner(partition_of(UserId(user), PARTITIONS))
    return await redis.zscore(scores_key(user), user)


async def until_score(deployment: Deployment, user: str, wanted: int) -> None:
    async def is_there() -> bool:
        return await score(deployment, user) == wanted

    await wait_until(is_there, timeout_s=30, what=f"{user} to have {wanted}")


async def test_a_workers_letter_is_listed_shown_and_replayed_once_it_has_room(deployment: Deployment) -> None:
    """Ada is lifted to the highest score that is exact, so that her next action is dead; lowered again, it counts."""
    at = now_ms()

    def adjust(points: int) -> AdjustRecord:
        return AdjustRecord(
            v=1, id=action("x", 1).id, user_id=UserId("ada"), received_at=at, points=points, at=at, by="m", reason="r"
        )

    await deployment.send(adjust(SCORE_LIMIT - 1))
    late = action("ada", 5)
    await deployment.send(late)
    await deployment.send_bytes(2, key=None, value=NOT_YET)

    async def are_dead() -> bool:
        return len(await letters(deployment)) == 2

    await wait_until(are_dead, timeout_s=40, what="two letters")
    by_reason = {row["reason"]: row for row in await letters(deployment)}
    row = by_reason.pop("the score would reach 2^53")
    (bad,) = by_reason.values()
    assert [found["number"] for found in await letters(deployment, "--reason", "2^53")] == [row["number"]]
    assert await letters(deployment, "--partition", "2", "--reason", bad["reason"][:10]) == [bad]
    assert (bad["topic"], bad["partition"], bad["bytes"]) == (deployment.settings["ACTIONS_TOPIC"], 2, len(NOT_YET))
    shown = valid((await deployment.run("dead", "show", str(row["number"]), "-o", "json")).out, "dead-show")
    assert shown["decodes"]
    assert shown["record"]["id"] == late.id
    assert shown["value"].encode() == encode(late)
    text = (await deployment.run("dead", "show", str(bad["number"]))).out
    assert NOT_YET.decode() in text
    assert "decodes no: " in text
    await deployment.send(adjust(-100))
    await deployment.producer.flush()
    await until_score(deployment, "ada", SCORE_LIMIT - 101)
    code, report = await replay(deployment, "--all")
    assert code == ExitCode.DIFFERENT
    assert [sent["number"] for sent in report["sent"]] == [row["number"]]
    assert [refused["number"] for refused in report["refused"]] == [bad["number"]]
    assert "still does not decode" in report["refused"][0]["reason"]
    await until_score(deployment, "ada", SCORE_LIMIT - 96)
    (again,) = await letters(deployment, "--state", "replayed")
    assert again["sent_to"] == [report["sent"][0]["partition"], report["sent"][0]["offset"]]
    code, report = await replay(deployment, row["number"])
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    assert "it was replayed before" in report["refused"][0]["reason"]


async def test_what_counted_is_never_sent_again(deployment: Deployment) -> None:
    """The id counted; two letters of one id; a foreign key; a foreign topic."""
    counted, twice, foreign = action("ben", 3), action("cleo", 4), action("dora", 5)
    await deployment.send(counted)
    await deployment.producer.flush()
    await until_score(deployment, "ben", 3)
    numbers = [await letter(deployment, encode(one), key=one.user_id.encode()) for one in (counted, twice, twice)]
    numbers.append(await letter(deployment, encode(foreign), key=b"somebody"))
    code, report = await replay(deployment, *numbers)
    assert code == ExitCode.DIFFERENT
    assert [sent["number"] for sent in report["sent"]] == [numbers[1]]
    reasons = {refused["number"]: refused["reason"] for refused in report["refused"]}
    assert "its id counted already: shard s" in reasons[numbers[0]]
    assert "same id" in reasons[numbers[2]]
    assert "its key" in reasons[numbers[3]]
    await until_score(deployment, "cleo", 4)
    assert await score(deployment, "ben") == 3
    assert await score(deployment, "dora") is None


async def test_a_shard_that_forgot_does_not_make_it_count_twice(deployment: Deployment) -> None:
    """Windows pass and ids are dropped from Redis: then the log itself is asked."""
    counted = action("ben", 3)
    await deployment.send(counted)
    await deployment.producer.flush()
    await until_score(deployment, "ben", 3)
    partition = partition_of(UserId("ben"), PARTITIONS)
    redis = await deployment.owner(partition)
    async for key in redis.scan_iter(match=f"lb:{{{partition}}}:seen:*"):
        await redis.delete(key)
    code, report = await replay(deployment, await letter(deployment, encode(counted), key=b"ben"))
    assert code == ExitCode.DIFFERENT
    assert f"the log has it at {partition}/0" in report["refused"][0]["reason"]


async def test_a_replay_that_was_killed_is_found_out(deployment: Deployment) -> None:
    """Killed before the record was sent: it is sent. Killed after: it is found in the log and not sent twice."""
    before, after = action("eve", 1), action("fay", 2)
    first = await letter(deployment, encode(before), key=b"eve")
    second = await letter(deployment, encode(after), key=b"fay")
    async with DeadBox(deployment.common) as box:
        for number in (first, second):
            await box.mark(await box.letter(number), Mark(state="sending", at_ms=now_ms()))
        await box.send(await box.letter(second))
    assert [row["state"] for row in await letters(deployment, "--state", "sending")] == ["sending", "sending"]
    code, report = await replay(deployment, "--all")
    assert code == ExitCode.DIFFERENT
    assert [sent["number"] for sent in report["sent"]] == [first]
    assert "it was sent before" in report["refused"][0]["reason"]
    await until_score(deployment, "eve", 1)
    await until_score(deployment, "fay", 2)
    assert await letters(deployment, "--state", "sending") == []
    assert (await replay(deployment, "--all"))[0] == ExitCode.NOTHING_TO_DO


async def test_drop_marks_and_deletes(deployment: Deployment) -> None:
    numbers = [await letter(deployment, b"bad %d" % n, key=None) for n in range(4)]
    ended = await deployment.run("dead", "drop", str(numbers[0]), "-o", "json")
    assert (ended.code, valid(ended.out, "dead-drop")["dropped"]) == (ExitCode.OK, [numbers[0]])
    again = await deployment.run("dead", "drop", str(numbers[0]), str(numbers[1]))
    assert again.code == ExitCode.DIFFERENT
    assert f"letter {numbers[0]} was handled before" in again.out
    code, report = await replay(deployment, numbers[0])
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    assert (await deployment.run("dead", "drop", "--before", str(numbers[2]))).code == ExitCode.OK
    assert [row["number"] for row in await letters(deployment, "--state", "all")] == numbers[2:]
    refused = await deployment.run("dead", "drop", "--before", str(numbers[3]))
    assert refused.code == ExitCode.REFUSED
    assert f"the first is {numbers[2]}" in refused.err
    assert (await deployment.run("dead", "drop", "--before", str(numbers[3]), "--yes")).code == ExitCode.OK
    assert [row["number"] for row in await letters(deployment)] == numbers[3:]
    assert (await deployment.run("dead", "drop", "--all")).code == ExitCode.OK
    assert (await deployment.run("dead", "drop", "--all")).code == ExitCode.NOTHING_TO_DO


async def test_wrong_use_is_told(deployment: Deployment) -> None:
    assert (await deployment.run("dead", "replay")).code == ExitCode.USAGE
    assert (await deployment.run("dead", "replay", "1", "--all")).code == ExitCode.USAGE
    assert (await deployment.run("dead", "drop", "--before", "1", "--all")).code == ExitCode.USAGE
    missing = await deployment.run("dead", "show", "12345")
    assert missing.code == ExitCode.REFUSED
    assert "there is no dead letter 12345" in missing.err


async def test_the_topic_of_marks_may_be_made_twice_and_keeps_its_marks(deployment: Deployment) -> None:
    number = await letter(deployment, b"bad", key=None)
    async with DeadBox(deployment.common) as box:
        await box.mark(await box.letter(number), Mark(state="dropped", at_ms=1))
    await create_marks_topic(deployment.common, deployment.settings["DEAD_TOPIC"] + ".handled")
    async with DeadBox(deployment.common) as box:
        assert box.marks == {Offset(number): Mark(state="dropped", at_ms=1)}
