"""The archiver as a service on real Kafka and Postgres: what it counts equals a plain count of what was sent, whatever
ends, freezes or moves meanwhile."""

import asyncio
import os
import signal
from collections import Counter

import pytest

from contracts.record import ActionRecord
from foundation.service import Refused
from tests.integration.archiver.conftest import (
    PARTITIONS,
    Ground,
    Running,
    SpawnArchiver,
    StartArchiver,
    action,
)
from tests.support.wait import wait_until

REBALANCE_S = 40
"""A killed member's partitions are given away after its session's 10 s; the machine may be busy."""
USERS = [f"user{n}" for n in range(40)]


def some_actions(count: int, *, first: int = 0) -> list[ActionRecord]:
    return [action(USERS[n % 7 * n % len(USERS)], n, points=1 + n % 3) for n in range(first, first + count)]


def plain_count(actions: list[ActionRecord]) -> dict[str, int]:
    """Each id once."""
    scores: Counter[str] = Counter()
    for user, _, points in {(a.user_id, a.id, a.points) for a in actions}:
        scores[user] += points
    return dict(scores)


def refused(match: str) -> pytest.RaisesGroup[Exception]:
    return pytest.RaisesGroup(pytest.RaisesExc(Refused, match=match), flatten_subgroups=True)


async def counted(ground: Ground, actions: list[ActionRecord], *, what: str) -> None:
    """Wait until Postgres has exactly these."""
    expected = plain_count(actions)

    async def is_equal() -> bool:
        return await ground.scores() == expected

    await wait_until(is_equal, timeout_s=REBALANCE_S, what=what)


async def test_counts_each_action_once_and_bad_bytes_never(ground: Ground, start_archiver: StartArchiver) -> None:
    actions = some_actions(600)
    await ground.send([*actions[:300], b"\xff", *actions[200:], b"{}"])
    await start_archiver()
    await counted(ground, actions, what="all to be counted")
    assert await ground.outcomes() == {"counted": 600, "repeat": 100, "dead": 2}
    daily = await ground.fetch("SELECT sum(score) FROM scores WHERE period LIKE 'daily:%'")
    assert daily[0][0] == sum(plain_count(actions).values())


async def test_two_archivers_share_the_partitions(ground: Ground, start_archiver: StartArchiver) -> None:
    first: Running = await start_archiver()
    await wait_until(lambda: first.partitions == PARTITIONS, timeout_s=REBALANCE_S, what="the first one to have all")
    actions = some_actions(400)
    await ground.send(actions[:200])
    second: Running = await start_archiver()
    await wait_until(
        lambda: first.partitions == second.partitions == PARTITIONS / 2, timeout_s=REBALANCE_S, what="a fair share"
    )
    await ground.send(actions[200:])
    await counted(ground, actions, what="both to count")
    await second.stop()
    more = some_actions(100, first=400)
    await ground.send(more)
    await counted(ground, actions + more, what="the first one to take over")


async def test_killed_in_the_middle_loses_and_doubles_nothing(ground: Ground, spawn_archiver: SpawnArchiver) -> None:
    """Twice, scores far behind: what only the killed process had in memory is counted from the rows."""
    actions: list[ActionRecord] = []
    for _ in range(2):
        process = await spawn_archiver(SCORES_INTERVAL_MS="60000", ARCHIVE_POLL_MAX="50")
        new = some_actions(1_000, first=len(actions))
        actions += new
        sending = asyncio.create_task(ground.send(new))
        before = sum((await ground.outcomes()).values())

        async def has_begun(before: int = before) -> bool:
            return sum((await ground.outcomes()).values()) > before

        await wait_until(has_begun, timeout_s=REBALANCE_S, what="the archiver to be in the middle")
        process.kill()
        await process.wait()
        await sending
    assert await ground.scores() == {}
    await spawn_archiver()
    await counted(ground, actions, what="the rest to be counted")
    assert await ground.outcomes() == {"counted": len(actions)}


async def test_frozen_archiver_wakes_up_and_harms_nothing(
    ground: Ground, spawn_archiver: SpawnArchiver, start_archiver: StartArchiver
) -> None:
    zombie = await spawn_archiver()
    actions = some_actions(200)
    await ground.send(actions)
    await counted(ground, actions, what="the first one to count")
    os.kill(zombie.pid, signal.SIGSTOP)
    more = some_actions(300, first=200)
    await ground.send(more)
    await start_archiver()
    await counted(ground, actions + more, what="the second one to take over")
    os.kill(zombie.pid, signal.SIGCONT)
    last = some_actions(300, first=500)
    await ground.send(last)
    await counted(ground, actions + more + last, what="all to be counted")
    assert await ground.outcomes() == {"counted": 800}


async def test_draining_brings_the_scores_to_the_rows(ground: Ground, start_archiver: StartArchiver) -> None:
    running: Running = await start_archiver(SCORES_INTERVAL_MS="60000")
    actions = some_actions(100)
    await ground.send(actions)

    async def is_archived() -> bool:
        return (await ground.outcomes())["counted"] == len(actions)

    await wait_until(is_archived, timeout_s=REBALANCE_S, what="the rows")
    await running.stop()
    assert await ground.scores() == plain_count(actions)


async def test_another_deployments_database_is_refused(ground: Ground, start_archiver: StartArchiver) -> None:
    running: Running = await start_archiver()
    await wait_until(lambda: running.partitions == PARTITIONS, timeout_s=REBALANCE_S, what="the first to follow")
    other = Running({**ground.environ, "SHARDBOARD_WINDOW_MS": "1800000"})
    with refused("window_ms is 900000 there, 1800000 here"):
        await other.task


async def test_database_without_schema_is_refused(ground: Ground) -> None:
    with refused("shardboard db upgrade"):
        await Running({**ground.environ, "SHARDBOARD_DB_UPGRADE": "0"}).task


async def test_log_that_lost_its_tail_is_refused(ground: Ground, start_archiver: StartArchiver) -> None:
    running: Running = await start_archiver()
    actions = some_actions(50)
    await ground.send(actions)
    await counted(ground, actions, what="all to be counted")
    await running.stop()
    await ground.fetch("UPDATE archive_progress SET raw_next = raw_next + 1000")
    with refused("another log, or lost its tail"):
        await Running(ground.environ).task


async def test_log_with_other_records_is_refused(ground: Ground, start_archiver: StartArchiver) -> None:
    running: Running = await start_archiver()
    actions = some_actions(50)
    await ground.send(actions)
    await counted(ground, actions, what="all to be counted")
    await running.stop()
    await ground.fetch("UPDATE archive_progress SET raw_last = raw_last || '1' WHERE raw_last <> ''")
    with refused("it is another log"):
        await Running(ground.environ).task
