"""What GET /actions/{id} tells, from a shard alone and with an archive that knows more."""

import pytest

from archiver.postgres_migrate import upgrade
from contracts import redis_keys
from contracts.counting import CountingRules, window_of
from contracts.identity import id16_of
from contracts.ids import ActionId, LogMs, UserId
from foundation.kafka_cluster import cluster_id
from foundation.postgres_connect import connect
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from gateway.postgres_closed import ClosedBoards
from tests.integration.gateway.conftest import PARTITIONS
from tests.integration.gateway.test_http_reads import SECRET, ground, reading
from tests.support.ranked_boards import LOG_MS, Ground
from tests.support.running_gateway import RunningGateway, token_for

__all__ = ["ground", "reading"]
COUNTED, OTHER = (ActionId(f"{n}0000000-0000-4000-8000-000000000000") for n in (1, 2))
ADA = {"Authorization": f"Bearer {token_for('ada', secret=SECRET)}"}
SERVICE = {"Authorization": f"Bearer {token_for('game', scopes=['actions:write:any'], secret=SECRET)}"}


@pytest.fixture
async def counted(ground: Ground, reading: RunningGateway) -> RunningGateway:
    """A gateway; one action of ada's counted in the window before the newest."""
    partition = ground.of(UserId("ada"))
    window = window_of(LogMs(LOG_MS + partition), CountingRules())
    key = redis_keys.seen(partition, type(window)(window - 1))
    await ground.redis[ground.owner(partition)].sadd(key, id16_of(UserId("ada"), COUNTED))
    return reading


async def test_an_action_that_counted_and_where_it_led(counted: RunningGateway) -> None:
    told = (await counted.get(f"/actions/{COUNTED}", **ADA)).json
    assert told == {
        "action_id": COUNTED, "user_id": "ada", "state": "applied", "score": 50, "rank": 1, "total": 5,
    }  # fmt: skip
    assert (await counted.get(f"/actions/{COUNTED}?user_id=ada", **SERVICE)).json == told


async def test_an_action_that_the_shard_has_not_reached(counted: RunningGateway) -> None:
    assert (await counted.get(f"/actions/{OTHER}?offset=999999", **ADA)).json["state"] == "accepted"
    assert (await counted.get(f"/actions/{OTHER}?offset=0", **ADA)).json["state"] == "accepted"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/actions/{OTHER}", ADA, 404),
        ("/actions/not-a-uuid", ADA, 404),
        (f"/actions/{COUNTED}", {}, 401),
        (f"/actions/{COUNTED}?user_id=bob", ADA, 403),
        (f"/actions/{COUNTED}", SERVICE, 404),
        (f"/actions/{COUNTED}?offset=x", ADA, 422),
        (f"/actions/{COUNTED}?user_id=", ADA, 422),
    ],
)
async def test_who_may_ask_and_for_what(
    counted: RunningGateway, path: str, headers: dict[str, str], status: int
) -> None:
    assert (await counted.get(path, **headers)).status == status


async def test_the_archive_tells_what_came_of_each_record(postgres_database: str, kafka_address: str) -> None:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    mark = ClusterMark(await cluster_id(kafka_address), "actions", PARTITIONS, "all_time", 900_000)
    await store_postgres_mark(connection, mark)
    id16 = id16_of(UserId("ada"), COUNTED)
    rows = [(0, 5, 1, "counted", "action", id16, "ada"), (0, 8, 2, "repeat", "action", id16, "ada")]
    columns = ["partition", "log_offset", "log_ms", "outcome", "kind", "id16", "user_id"]
    await connection.copy_records_to_table("actions", records=rows, columns=columns)
    archive = ClosedBoards(postgres_database, mark=lambda: mark)
    found = [await archive.outcome(UserId("ada"), COUNTED, offset=offset) for offset in (None, 5, 8, 6)]
    assert [each and (each.outcome, each.offset) for each in found] == [
        ("counted", 5), ("counted", 5), ("repeat", 8), None,
    ]  # fmt: skip
    assert await archive.outcome(UserId("bob"), COUNTED, offset=None) is None
    await archive.close()
    await connection.close()
