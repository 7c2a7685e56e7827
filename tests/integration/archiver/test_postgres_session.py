"""Sessions of an archiver whose Postgres goes away, freezes, or is moved on by somebody else; a stalled consumer."""

import os
import re
import signal
from collections.abc import AsyncIterator

import pytest

from archiver import postgres_session
from archiver.kafka_reader import KafkaReader
from foundation import health, postgres_connect
from foundation.postgres_connect import Connection, connect
from foundation.postgres_sql import statements
from shardboard.embedded.postgres import PostgresServer
from tests.integration.archiver.conftest import PARTITIONS, Ground, Running, StartArchiver, action, make_ground
from tests.support.services import StartPostgres
from tests.support.wait import wait_until

WAIT_S = 40


@pytest.fixture
async def own(
    kafka_address: str, start_postgres: StartPostgres, unique_name: str
) -> AsyncIterator[tuple[Ground, PostgresServer]]:
    """A ground whose Postgres the test may harm."""
    server = await start_postgres("postgres")
    async with make_ground(kafka_address, server.address, topic=unique_name) as ground:
        yield ground, server


async def until_counted(ground: Ground, users: int) -> None:
    async def is_counted() -> bool:
        return len(await ground.scores()) == users

    await wait_until(is_counted, timeout_s=WAIT_S, what=f"{users} users in the scores")


async def test_goes_on_after_postgres_was_killed_and_frozen(
    own: tuple[Ground, PostgresServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connect, "COMMAND_TIMEOUT_S", 1.0)
    ground, server = own
    running = Running(ground.environ)
    try:
        await ground.send([action("ann", 1)])
        await until_counted(ground, 1)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await ground.send([action("bob", 1)])
        await wait_until(lambda: running.partitions == 0, timeout_s=WAIT_S, what="the session to end")
        await server.start()
        await until_counted(ground, 2)
        for pid in (
            frozen := await ground.fetch("SELECT pid FROM pg_stat_activity WHERE application_name ~ 'archiver'")
        ):
            os.kill(pid[0], signal.SIGSTOP)
        await ground.send([action("cyd", 1)])
        await until_counted(ground, 3)
        for pid in frozen:
            os.kill(pid[0], signal.SIGCONT)
        await ground.send([action("dan", 1)])
        await until_counted(ground, 4)
    finally:
        await running.stop()
    assert await ground.outcomes() == {"counted": 4}


async def test_positions_moved_by_another_archiver_are_read_again(
    ground: Ground, start_archiver: StartArchiver
) -> None:
    """Somebody archived a record in our place: it is not archived again, and what follows is."""
    running = await start_archiver()
    await ground.send([action("ann", 1)])
    await until_counted(ground, 1)
    await ground.fetch(
        "UPDATE archive_progress SET raw_next = raw_next + 1, scores_next = scores_next + 1, raw_last = ''"
    )
    await ground.send([action("ann", 2), action("ann", 3), *(action(f"u{n}", 1) for n in range(20))])

    async def is_read_again() -> bool:
        return (await ground.scores()).get("ann") == 2

    await wait_until(is_read_again, timeout_s=WAIT_S, what="the third action")
    assert running.archiver.metrics.registry.get_sample_value("shardboard_archive_positions_moved_total") == 1


async def test_consumer_that_stops_progressing_is_replaced(
    ground: Ground, start_archiver: StartArchiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = await start_archiver()
    await wait_until(lambda: running.partitions == PARTITIONS, timeout_s=WAIT_S, what="the archiver to follow")
    stuck = running.archiver._session
    assert stuck is not None
    monkeypatch.setattr(health.ProgressHealth.is_ready, "__kwdefaults__", {"stalled_after_s": 0.5})
    monkeypatch.setattr(postgres_session, "WATCH_S", 0.1)
    reader: KafkaReader = stuck.reader
    reader._consumer.pause(*reader._topics.values())
    await ground.send([action("ann", 1)])
    await until_counted(ground, 1)
    assert running.archiver._session is not stuck


KEYS = {
    "move_raw": "archive_progress_pkey (partition)",
    "pending": "actions_pkey (partition)",
    "seen": "actions_by_id (id16), tombstones_pkey (partition, id16)",
    "kept": "kept_pkey (partition, id16)",
    "caps": "caps_pkey (partition, used_by)",
    "move_scores": "archive_progress_pkey (partition)",
    "hidden_of": "hidden_pkey (partition, user_id)",
    "scores_of": "scores_pkey (partition, user_id)",
    "erased_of": "erased_pkey (partition, user16)",
    "voided_of": "voided_pkey (partition, id16)",
    "drop_scores": "scores_pkey (partition, user_id)",
    "drop_hidden": "hidden_pkey (partition, user_id)",
    "bury": "actions_by_user (user_id)",
    "erase_actions": "actions_by_user (user_id)",
    "erase_leaderboards": "leaderboards_by_user (user_id)",
    "erase_snapshots": "board_snapshots_by_user (user_id)",
    "erase_user": "users_pkey (user_id)",
    "erase_moderation": "moderation_log_by_user (partition, user16)",
}


@pytest.mark.parametrize("name", KEYS)
async def test_every_statement_finds_its_rows_by_key(postgres_database: str, postgres: Connection, name: str) -> None:
    """Planned while the tables are empty, as in a new deployment, where every plan looks equally good."""
    sql = {**statements("archiver", "archive.sql"), **statements("archiver", "scores.sql")}[name]
    connection = await connect(postgres_database, name="test", settings=postgres_session.PLANNER)
    try:
        await connection.execute(f"PREPARE planned AS {sql}")
        nulls = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", sql))))
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE planned ({nulls})"))
    finally:
        await connection.close()
    scans = re.findall(r"Scan (?:using|on) (\w+) .*\n\s+Index Cond: (.*)", plan)
    found = [(index, ", ".join(re.findall(r"(\w+) = ", condition))) for index, condition in scans]
    assert ", ".join(f"{index} ({columns})" for index, columns in found) == KEYS[name], plan
    assert "Seq Scan" not in plan
