"""`shardboard verify` with a real archiver on real Postgres: compared at its own offset, and the base when the log's
beginning is gone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from contracts.exit_codes import ExitCode
from contracts.ids import UserId
from contracts.partition_key import partition_of
from contracts.record import HideRecord, Limits
from tests.support.command import valid
from tests.support.live_shards import PARTITIONS, Deployment, action, end, live_shards
from tests.support.processes import command
from tests.support.services import StartValkey
from tests.support.wait import wait_until

ADA = "ada"
P = partition_of(UserId(ADA), PARTITIONS)


@pytest.fixture
async def archived(
    kafka_address: str, start_valkey: StartValkey, postgres_database: str, unique_name: str, tmp_path: Path
) -> AsyncIterator[Deployment]:
    """Records of many kinds, all of them applied, shown and archived."""
    async with live_shards(
        kafka_address, start_valkey, name=unique_name, folder=tmp_path, postgres=postgres_database
    ) as found:
        await fill(found, seed=1)
        yield found


async def fill(deployment: Deployment, *, seed: int) -> None:
    await deployment.act(300, seed=seed)
    await deployment.send(action(ADA, 7, limits=Limits(cap_per_day=9, cooldown_ms=1), keep_until=2**42))
    hide: dict[str, Any] = {"v": 1, "id": action("x", 1).id, "received_at": 1, "by": "mod", "reason": "r"}
    await deployment.send(action("mallory", 500))
    await deployment.send(HideRecord(user_id=UserId("mallory"), **hide))
    await deployment.producer.flush()
    await deployment.until_shown()
    connection = await asyncpg.connect(deployment.settings["POSTGRES_URL"])

    async def is_archived() -> bool:
        rows = await connection.fetch("SELECT partition, scores_next FROM archive_progress")
        return {row["partition"]: row["scores_next"] for row in rows} == deployment.sent

    try:
        await wait_until(is_archived, timeout_s=60, what="everything to be archived")
    finally:
        await connection.close()


async def verify(deployment: Deployment, *words: str) -> tuple[int, Any]:
    ended = await deployment.run("verify", "--output", "json", *words)
    assert ended.out, ended.err
    return ended.code, valid(ended.out, "verify")


async def execute(deployment: Deployment, statement: str) -> None:
    connection = await asyncpg.connect(deployment.settings["POSTGRES_URL"])
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def forget_beginning(deployment: Deployment, partition: int, *, before: int) -> None:
    """As retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=deployment.settings["KAFKA"])
    await admin.start()
    topic = TopicPartition(deployment.settings["ACTIONS_TOPIC"], partition)
    await admin.delete_records({topic: RecordsToDelete(before_offset=before)})
    await admin.close()


@pytest.mark.timeout(240)
async def test_the_archive_is_compared_and_its_differences_are_named(archived: Deployment) -> None:
    code, report = await verify(archived, "--deep")
    assert code == ExitCode.OK, report["first"]
    stores = {(p["partition"], s["store"]): s for p in report["partitions"] for s in p["stores"]}
    assert {store for _, store in stores} == {"redis", "postgres", "board"}
    assert stores[P, "postgres"]["digest"] == stores[P, "redis"]["digest"]
    await execute(archived, "UPDATE scores SET score = score + 1 WHERE user_id = 'ada' AND period = 'all_time'")
    code, report = await verify(archived, "--partition", str(P))
    first = report["first"]
    assert (code, first["store"], first["user_id"], first["period"]) == (
        ExitCode.DIFFERENT, "postgres", ADA, "all_time",
    )  # fmt: skip
    assert first["found"] == {**first["log"], "score": 8}
    await execute(archived, "DELETE FROM scores WHERE user_id = 'ada' AND period = 'all_time'")
    code, report = await verify(archived, "--partition", str(P))
    assert (code, report["first"]["user_id"], report["first"]["found"]) == (ExitCode.DIFFERENT, ADA, None)


@pytest.mark.timeout(240)
async def test_closed_boards_are_compared_at_their_ends(archived: Deployment) -> None:
    """The board of today is ranked as a closed one; then records follow that it does not contain."""
    await end(archived.processes["archiver"])  # it would sweep from Redis what is closed
    await execute(
        archived,
        """INSERT INTO closed_periods SELECT period, 1, 1, (SELECT array_agg(scores_next ORDER BY partition)
        FROM archive_progress) FROM boards WHERE period LIKE 'daily:%';
        INSERT INTO leaderboards SELECT period, user_id, score, scored_at, 1, 1, false FROM scores
        WHERE period LIKE 'daily:%'""",
    )
    await archived.send(action(ADA, 5))
    await archived.producer.flush()
    await archived.until_shown()
    code, report = await verify(archived, "--deep")
    assert code == ExitCode.OK, report["first"]
    stores = {store["store"]: store for found in report["partitions"] for store in found["stores"]}
    assert stores["leaderboards"]["rows"] > 0
    await execute(archived, "UPDATE leaderboards SET score = 8 WHERE user_id = 'ada'")
    code, report = await verify(archived, "--deep", "--partition", str(P))
    first = report["first"]
    assert (code, first["store"], first["user_id"]) == (ExitCode.DIFFERENT, "leaderboards", ADA)
    assert (first["log"]["score"], first["found"]["score"]) == (7, 8)
    assert first["period"].startswith("daily:")
    await execute(archived, "DELETE FROM leaderboards WHERE user_id = 'ada'")
    code, report = await verify(archived, "--deep", "--partition", str(P))
    assert (code, report["first"]["user_id"], report["first"]["found"]) == (ExitCode.DIFFERENT, ADA, None)
    assert (await verify(archived, "--partition", str(P)))[0] == ExitCode.OK, "only --deep reads closed boards"


@pytest.mark.timeout(240)
async def test_a_log_without_its_beginning_is_counted_on_from_the_archive(archived: Deployment) -> None:
    """Retention removes records that were archived: the archive is the base. Without it, nothing can be told."""
    await forget_beginning(archived, P, before=archived.sent[P] - 1)
    redis = await archived.owner(P)
    code, report = await verify(archived, "--deep")
    assert code == ExitCode.OK, report
    (based,) = (found for found in report["partitions"] if found["partition"] == P)
    assert f"Postgres' state at offset {archived.sent[P]} is the base" in based["reason"]
    await redis.zincrby(f"lb:{{{P}}}:scores:all_time", 1, ADA)
    code, report = await verify(archived)
    assert (code, report["first"]["store"], report["first"]["user_id"]) == (ExitCode.DIFFERENT, "redis", ADA)
    without = {**archived.environ, "SHARDBOARD_POSTGRES_URL": ""}
    ended = await command("verify", "--partition", str(P), cwd=None, **without)
    assert ended.code == ExitCode.UNKNOWN
    assert "there is no Postgres" in ended.out.replace("\n", " ")
