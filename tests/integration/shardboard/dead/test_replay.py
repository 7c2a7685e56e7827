"""Dead letters sent again on real Kafka, Valkey and workers: each counts once, whatever happened before."""

from typing import Any

from contracts import dead_letter
from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from contracts.ids import SCORE_LIMIT, UserId
from contracts.partition_key import partition_of
from contracts.record import AdjustRecord, encode
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


async def until_score(deployment: Deployment, user: str, *, wanted: int) -> None:
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
    await until_score(deployment, "ada", wanted=SCORE_LIMIT - 101)
    code, report = await replay(deployment, "--all")
    assert code == ExitCode.DIFFERENT
    assert [sent["number"] for sent in report["sent"]] == [row["number"]]
    assert [refused["number"] for refused in report["refused"]] == [bad["number"]]
    assert "still does not decode" in report["refused"][0]["reason"]
    await until_score(deployment, "ada", wanted=SCORE_LIMIT - 96)
    (again,) = await letters(deployment, "--state", "replayed")
    assert again["sent_to"] == [report["sent"][0]["partition"], report["sent"][0]["offset"]]
    code, report = await replay(deployment, row["number"])
    assert (code, report["sent"]) == (ExitCode.DIFFERENT, [])
    assert "it was replayed before" in report["refused"][0]["reason"]


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
    await until_score(deployment, "eve", wanted=1)
    await until_score(deployment, "fay", wanted=2)
    assert await letters(deployment, "--state", "sending") == []
    assert (await replay(deployment, "--all"))[0] == ExitCode.NOTHING_TO_DO
