"""A board's entries carry the rank of the last closed day, read from a real archive, and streams send it."""

from redis.asyncio import Redis

from archiver.postgres_migrate import upgrade
from contracts.clock import now_ms
from contracts.ids import PeriodId
from contracts.periods import ALL_TIME, PeriodCalendar
from foundation.kafka_cluster import cluster_id
from foundation.postgres_connect import Connection, connect
from foundation.postgres_map import MapStore
from foundation.postgres_mark import store_postgres_mark
from foundation.redis_cluster_mark import ClusterMark
from tests.integration.gateway.conftest import PARTITIONS
from tests.integration.gateway.test_redis_boards import write_board
from tests.support.ranked_boards import ranked_boards
from tests.support.running_gateway import running_gateway
from tests.support.wait import wait_until

CALENDAR = PeriodCalendar("all_time,daily,weekly")


async def fill(connection: Connection, today: PeriodId, *, mark: ClusterMark) -> None:
    """Yesterday is closed, and the archiver noted the board of all time before it ended."""
    await upgrade(connection)
    await store_postgres_mark(connection, mark)
    start_ms = CALENDAR.parse(today).start_ms
    yesterday = CALENDAR.current("daily", start_ms - 1).id
    await connection.execute("INSERT INTO closed_periods VALUES ($1, 5, 2, '{}')", yesterday)
    rows = [(yesterday, "ada", 9, 1, 2, 2, False), (yesterday, "bob", 9, 1, 1, 1, False)]
    columns = ["period", "user_id", "score", "scored_at", "rank", "place", "hidden"]
    await connection.copy_records_to_table("leaderboards", records=rows, columns=columns)
    for taken_ms, rank in ((start_ms - 10, 4), (start_ms + 10, 9)):
        await connection.execute(
            "INSERT INTO board_snapshots VALUES ('all_time', $1, 1, $2, 'ada', 9, 1)", taken_ms, rank
        )


async def test_entries_carry_the_rank_of_the_last_closed_day(
    postgres_database: str, gateway_env: dict[str, str], kafka_address: str, valkey: Redis
) -> None:
    today = CALENDAR.current("daily", now_ms()).id
    connection = await connect(postgres_database, name="test")
    topic = gateway_env["SHARDBOARD_ACTIONS_TOPIC"]
    mark = ClusterMark(await cluster_id(kafka_address), topic, PARTITIONS, CALENDAR.spec, 900_000)
    await fill(connection, today, mark=mark)
    await connection.close()
    await write_board(valkey, today, version=7, scores=[("ada", 5), ("cy", 3)])
    await write_board(valkey, PeriodId("all_time"), version=8, scores=[("ada", 5), ("cy", 3)])
    async with running_gateway({**gateway_env, "SHARDBOARD_POSTGRES_URL": postgres_database}) as gateway:

        async def moved(period: str) -> dict[str, int | None]:
            entries = (await gateway.get(f"/leaderboard?period={period}")).json.get("entries", [])
            return {each["user_id"]: each["previous_rank"] for each in entries if "previous_rank" in each}

        async def is_compared() -> bool:
            return await moved(today) == {"ada": 2, "cy": None} and await moved("all_time") == {"ada": 4, "cy": None}

        await wait_until(is_compared, timeout_s=20, what="the ranks of the closed day")
        tag = (await gateway.get("/leaderboard")).headers["ETag"]
        assert (await gateway.get("/leaderboard", **{"If-None-Match": tag})).status == 304


async def test_every_answer_with_ranks_carries_it(
    postgres_database: str, gateway_env: dict[str, str], kafka_address: str, valkey_url: str, valkey: Redis
) -> None:
    """Ranks, neighbours, pages, some users, friends: of a board whose top is not in memory, and of one whose top is."""
    today = CALENDAR.current("daily", now_ms()).id
    topic = gateway_env["SHARDBOARD_ACTIONS_TOPIC"]
    connection = await connect(postgres_database, name="test")
    mark = ClusterMark(await cluster_id(kafka_address), topic, PARTITIONS, CALENDAR.spec, 900_000)
    await fill(connection, today, mark=mark)
    await connection.close()
    async with ranked_boards(valkey_url, shards=2, partitions=PARTITIONS, first=1) as ground:
        for period in (today, ALL_TIME):
            await ground.put({"ada": (5, 1), "cy": (3, 1)}, period=period)
        await write_board(valkey, ALL_TIME, version=8, scores=[("ada", 5), ("cy", 3)])
        store = MapStore(postgres_database, name="test")
        assert ground.stored.map is not None
        assert await store.seed(ground.stored.map, ground.stored.shards)
        await store.close()
        environ = {"SHARDBOARD_POSTGRES_URL": postgres_database, "SHARDBOARD_SHARDS": ground.setting}
        async with running_gateway({**gateway_env, **environ}) as gateway:

            async def told(period: str) -> list[dict[str, int | None]]:
                query = f"period={period}"
                paths = [
                    f"/users/cy/around?{query}",
                    f"/leaderboard?rank=1&{query}",
                    f"/leaderboard?users=ada,cy&{query}",
                ]
                ranks = [(await gateway.get(f"/users/{user}/rank?{query}")).json for user in ("ada", "cy")]
                answers = [(await gateway.get(path)).json for path in paths]
                answers.append((await gateway.post_to("/ranks", {"users": ["cy", "ada"], "period": period})).json)
                return [
                    {row["user_id"]: row["previous_rank"] for row in rows if "previous_rank" in row}
                    for rows in (ranks, *(answer.get("entries", []) for answer in answers))
                ]  # fmt: skip

            async def are_compared() -> bool:
                daily = [{"ada": 2, "cy": None}] * 5
                return await told("daily") == daily and await told("all_time") == [{"ada": 4, "cy": None}] * 5

            await wait_until(are_compared, timeout_s=20, what="the ranks of the closed day")
