"""Finding the action that a moderator takes back, in a real archive."""

import pytest

from archiver.postgres_migrate import upgrade
from contracts.identity import id16_of
from contracts.ids import ActionId, UserId
from contracts.problems import ARCHIVE_UNAVAILABLE
from foundation.postgres_connect import connect
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from gateway.moderation import ArchivedAction
from gateway.postgres_actions import ArchivedActions
from gateway.problem import Problem

ANN, BOB = UserId("ann"), UserId("bob")
MARK = ClusterMark(deployment="d", topic="actions", partitions=4, periods="all_time", window_ms=900_000)


async def mark() -> ClusterMark:
    return MARK


@pytest.fixture
async def archive(postgres_database: str) -> str:
    """Of ann: x counted twice (its window passed in between) and was repeated; y was capped; z counted, was voided."""
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    await store_postgres_mark(connection, MARK)
    rows = [(1, "x", "counted", 5), (2, "x", "repeat", 5), (8, "x", "counted", 6), (9, "x", "repeat", 6)]
    rows += [(10, "y", "capped", 7), (11, "z", "counted", 8)]
    for offset, name, outcome, points in rows:
        await connection.execute(
            "INSERT INTO actions (partition, log_offset, log_ms, outcome, kind, id16, user_id, points, at_ms)"
            "VALUES (0, $1, $2, $3, 'action', $4, $5, $6, $7)",
            *(offset, 1_000 + offset, outcome, id16_of(ANN, ActionId(name)), ANN, points, 500 + offset),
        )  # fmt: skip
    await connection.execute("INSERT INTO voided VALUES (0, $1, 11)", id16_of(ANN, ActionId("z")))
    await connection.close()
    return postgres_database


@pytest.mark.parametrize(
    ("user", "action", "found"),
    [
        (ANN, "x", ArchivedAction(8, 1_008, 508, 6, "counted", False)),
        (ANN, "y", ArchivedAction(10, 1_010, 510, 7, "capped", False)),
        (ANN, "z", ArchivedAction(11, 1_011, 511, 8, "counted", True)),
        (ANN, "nothing", None),
        (BOB, "x", None),
    ],
)
async def test_the_newest_row_that_counted_is_found(
    archive: str, user: UserId, action: str, found: ArchivedAction | None
) -> None:
    assert await ArchivedActions(archive, mark=mark).find(user, ActionId(action)) == found


async def test_an_archive_that_is_away_or_another_deployments_is_told(archive: str, postgres_url: str) -> None:
    async def other() -> ClusterMark:
        return ClusterMark(deployment="e", topic="actions", partitions=4, periods="all_time", window_ms=900_000)

    for asked, said in (
        (ArchivedActions("", mark=mark), "SHARDBOARD_POSTGRES_URL"),
        (ArchivedActions("postgresql://board@127.0.0.1:1/board", mark=mark), "Refused"),
        (ArchivedActions(archive, mark=other), "another deployment"),
        (ArchivedActions(postgres_url, mark=mark), "UndefinedTable"),
    ):
        problem = await asked.find(ANN, ActionId("x"))
        assert isinstance(problem, Problem)
        assert problem.kind is ARCHIVE_UNAVAILABLE
        assert said in problem.detail
