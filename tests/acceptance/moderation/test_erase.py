"""Who is erased is in no store but the log, and stays so when every store is made anew from the log."""

import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
from redis.asyncio import Redis

from contracts.exit_codes import ExitCode
from tests.acceptance.moderation.conftest import WAIT_S, Moderated
from tests.support.live_shards import SHARDS, end, start_service
from tests.support.running_gateway import token_for
from tests.support.wait import wait_until

GONE = "erika-mustermann"
CLOSED = "INSERT INTO leaderboards VALUES ('daily:2026-01-30', $1, $2, 1, $3, $3, false)"
SNAPSHOT = "INSERT INTO board_snapshots VALUES ('all_time', 1, $2, $2, $1, 1, 1)"


async def traces_in_redis(redis: Redis, user: str) -> list[str]:
    """The keys that hold the id, in name or content."""
    read: dict[Any, Callable[[Any], Any]] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"stream": redis.xrange,
    }
    keys = [key async for key in redis.scan_iter()]
    return [f"{key!r}" for key in keys if user in f"{key!r} {await read[await redis.type(key)](key)!r}"]


async def traces_in_postgres(postgres: asyncpg.Connection, user: str) -> list[str]:
    """The tables that hold the id, as text or within bytes."""
    tables = await postgres.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert len(tables) > 15
    found = []
    for (table,) in tables:
        rows = await postgres.fetch(f"SELECT t::text AS row FROM {table} AS t")  # noqa: S608
        if any(user in row["row"] or user.encode().hex() in row["row"] for row in rows):
            found.append(table)
    return found


async def traces(moderated: Moderated, postgres: asyncpg.Connection) -> list[str]:
    servers = [*moderated.deployment.shards.values(), moderated.deployment.cache]
    in_redis = [found for redis in servers for found in await traces_in_redis(redis, GONE)]
    return in_redis + await traces_in_postgres(postgres, GONE)


async def begin(moderated: Moderated) -> None:
    """A user with everything: a name, points, a cap in use, a ticket, an adjustment, a void, a row on a closed board, a
    place on a snapshot, a time in hiding."""
    token = token_for(GONE, name=f"I am {GONE}")
    for _ in range(4):
        await moderated.act(GONE, "rare", token=token)
        await moderated.act("ada")
    answer = await moderated.gateway.post_to("/tickets", {"action": "quest"}, token=token)
    await moderated.act(GONE, "quest", token=token, ticket=answer.json["ticket"])
    exploit = await moderated.act(GONE, token=token)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    await moderated.gateway.post({"user_id": GONE, "action": "commit"}, token=token, **key)
    await moderated.until_applied()
    for words in (
        ("adjust", GONE, "--points", "5", "--reason", f"for {GONE}"),
        ("void", GONE, exploit["action_id"], "--reason", "r"),
        ("hide", GONE, "--reason", "r"),
        ("unhide", GONE, "--reason", "r"),
    ):
        assert (await moderated.moderate(*words, "--by", "mod")).code == ExitCode.OK
    await moderated.until_applied()
    for place, user in enumerate((GONE, "ada"), start=1):
        await moderated.postgres.execute(CLOSED, user, 10 - place, place)
        await moderated.postgres.execute(SNAPSHOT, user, place)


async def test_an_erased_user_is_gone_from_every_store_and_stays_so_after_a_replay(moderated: Moderated) -> None:
    await begin(moderated)
    deployment = moderated.deployment
    assert await moderated.shown() == {GONE: 7 * 3 + 100 + 10 + 5, "ada": 40}
    before = await traces(moderated, moderated.postgres)
    for place in (
        "actions",
        "leaderboards",
        "board_snapshots",
        "moderation_log",
        "scores",
        "users",
        ":names",
        ":scores:",
    ):
        assert any(place in trace for trace in before), place
    asked = await deployment.run("moderate", "erase", GONE, "--reason", "case 17")
    assert asked.code != ExitCode.OK, "it asks first"
    erased = await moderated.moderate("erase", GONE, "--reason", "case 17", "--by", "mod", "--yes")
    assert erased.code == ExitCode.OK, erased.err
    await moderated.until_applied()
    assert await moderated.shown() == {"ada": 40}
    assert await traces(moderated, moderated.postgres) == []
    closed = await moderated.postgres.fetch("SELECT user_id, score, rank FROM leaderboards ORDER BY place")
    assert [tuple(row) for row in closed] == [("erased", 9, 1), ("ada", 8, 2)]
    audit = (await moderated.moderate("log", "--user", GONE)).json["entries"]
    assert {(entry["kind"], entry["user_id"], entry["reason"]) for entry in audit} == {
        ("erase", None, "case 17"), ("adjust", None, None), ("void", None, None), ("hide", None, None),
        ("unhide", None, None),
    }  # fmt: skip
    export = (await deployment.run("export", "--user", GONE)).json
    assert (export["actions"], export["scores"], export["name"]) == ([], [], None)

    # Everything anew: the shards from the log alone, and an archive that knew nothing.
    await end(deployment.processes["archiver"])
    database = f"again_{deployment.settings['ACTIONS_TOPIC']}"
    await moderated.postgres.execute(f"CREATE DATABASE {database}")
    deployment.settings["POSTGRES_URL"] = deployment.settings["POSTGRES_URL"].rpartition("/")[0] + "/" + database
    archiver = await start_service(moderated.folder, "archiver", environ=deployment.environ)
    again = None
    try:
        for shard in SHARDS:
            restored = await deployment.run("restore", "--shard", shard, "--from", "log")
            assert restored.code == ExitCode.OK, restored.err
        again = await asyncpg.connect(deployment.settings["POSTGRES_URL"])
        await wait_until(
            lambda: _has_all(again, moderated), timeout_s=WAIT_S, what="the new archive to have everything"
        )
        assert await moderated.shown() == {"ada": 40}
        assert await traces(moderated, again) == []
        verified = await deployment.run("verify", "--deep")
        assert verified.code == ExitCode.OK, verified.out
        back = await moderated.act(GONE, token=token_for(GONE))
        assert back["points"] == 10
        await wait_until(lambda: _score_is(moderated, 10), timeout_s=WAIT_S, what="a new life from 0")
    finally:
        await end(archiver)
        if again is not None:
            await again.close()
        await moderated.postgres.execute(f"DROP DATABASE {database} WITH (FORCE)")


async def _has_all(postgres: asyncpg.Connection, moderated: Moderated) -> bool:
    if await postgres.fetchval("SELECT to_regclass('archive_progress')") is None:
        return False
    rows = await postgres.fetch("SELECT partition, scores_next FROM archive_progress")
    return {row["partition"]: row["scores_next"] for row in rows} == moderated.deployment.sent


async def _score_is(moderated: Moderated, score: int) -> bool:
    return await moderated.score(GONE) == score
