"""void, adjust and the audit, from the command line to the boards, Redis, Postgres and `verify`."""

import uuid

from contracts.exit_codes import ExitCode
from tests.acceptance.moderation.conftest import WAIT_S, Moderated
from tests.support.command import valid
from tests.support.wait import wait_until


async def test_an_action_is_taken_back_once_and_only_if_it_counted(moderated: Moderated) -> None:
    """Asked for at once: the command waits for the archive to know what the action counted."""
    exploit = await moderated.act("mallory")
    await moderated.act("mallory")
    voided = await moderated.moderate(
        "void", "mallory", exploit["action_id"], "--reason", "exploit", "--timeout", "60s"
    )
    assert voided.code == ExitCode.OK, voided.err
    assert valid(voided.out, "moderate-order")["points"] == -10
    await moderated.until_applied()
    assert await moderated.score("mallory") == 10
    again = await moderated.moderate("void", "mallory", exploit["action_id"], "--reason", "exploit")
    assert (again.code, "taken back already" in again.err) == (ExitCode.REFUSED, True)
    receipts = [await moderated.act("ann", "rare") for _ in range(4)]
    await moderated.until_applied()
    capped = await moderated.moderate("void", "ann", receipts[-1]["action_id"], "--reason", "r")
    assert (capped.code, "did not count (capped)" in capped.err) == (ExitCode.REFUSED, True)
    for user, action in (("mallory", str(uuid.uuid4())), ("ann", exploit["action_id"])):
        unknown = await moderated.moderate("void", user, action, "--reason", "r", "--timeout", "1s")
        assert (unknown.code, "has no action with this id" in unknown.err) == (ExitCode.REFUSED, True)
    bad = await moderated.moderate("void", "ann", "seven", "--reason", "r")
    assert (bad.code, "#/action_id" in bad.err) == (ExitCode.REFUSED, True)
    verified = await moderated.deployment.run("verify", "--deep")
    assert verified.code == ExitCode.OK, verified.out


async def test_an_adjustment_counts_once_however_often_it_is_sent(moderated: Moderated) -> None:
    await moderated.act("ada")
    order_id = str(uuid.uuid4())
    for _ in range(3):
        words = ("adjust", "ada", "--points", "-4", "--reason", "rounding", "--by", "eve", "--id", order_id)
        adjusted = await moderated.moderate(*words)
        assert adjusted.code == ExitCode.OK, adjusted.err
        assert adjusted.json["id"] == order_id
    await moderated.until_applied()
    assert await moderated.score("ada") == 6
    assert await moderated.shown() == {"ada": 6}
    audit = await moderated.moderate("log", "--user", "ada")
    (entry,) = valid(audit.out, "moderate-log")["entries"]
    assert (entry["kind"], entry["moderator"], entry["reason"], entry["points"]) == ("adjust", "eve", "rounding", -4)
    table = await moderated.deployment.run("moderate", "log")
    assert "rounding" in table.out
    assert (await moderated.moderate("log", "--kind", "hide")).json == {"entries": []}


async def test_caps_and_cooldowns_are_the_same_everywhere(moderated: Moderated) -> None:
    """Sent in a burst through the gateway, which answers 201 to all: the log's readers decide, and agree."""
    for _ in range(8):
        await moderated.act("ann", "rare")
        await moderated.act("ann", "slow")
        await moderated.act("bob", "rare")
    await moderated.until_applied()
    assert await moderated.shown() == {"ann": 3 * 7 + 5, "bob": 3 * 7}
    assert (await moderated.score("ann"), await moderated.score("bob")) == (26, 21)
    outcomes = await moderated.postgres.fetch(
        "SELECT user_id, action, outcome, count(*) FROM actions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert [tuple(row) for row in outcomes] == [
        ("ann", "rare", "capped", 5), ("ann", "rare", "counted", 3),
        ("ann", "slow", "capped", 7), ("ann", "slow", "counted", 1),
        ("bob", "rare", "capped", 5), ("bob", "rare", "counted", 3),
    ]  # fmt: skip
    assert await moderated.postgres.fetchval("SELECT sum(score) FROM scores WHERE period = 'all_time'") == 47
    verified = await moderated.deployment.run("verify", "--deep")
    assert verified.code == ExitCode.OK, verified.out


async def test_an_order_that_nobody_answers_is_given_up_with_its_id(moderated: Moderated) -> None:
    order_id = str(uuid.uuid4())
    moderated.gateway.stop.set()
    await wait_until(moderated.gateway.serving.done, timeout_s=WAIT_S, what="the gateway to end")
    ended = await moderated.moderate("hide", "ada", "--reason", "r", "--id", order_id, "--timeout", "1s")
    assert ended.code == ExitCode.STALLED
    assert order_id in ended.err
