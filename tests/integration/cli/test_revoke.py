"""`shardboard revoke` as it is typed, on a real Postgres."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from tests.support.command import valid
from tests.support.processes import command


async def test_revoke_list_and_lift(postgres_database: str) -> None:
    assert (await command("db", "upgrade", SHARDBOARD_POSTGRES_URL=postgres_database)).code == ExitCode.OK
    one = await command("revoke", "--jti", "token-1", "--output", "json", SHARDBOARD_POSTGRES_URL=postgres_database)
    assert one.code == ExitCode.OK
    (entry,) = valid(one.out, "revoke")["revoked"]
    assert (entry["kind"], entry["value"], entry["issued_until_s"]) == ("jti", "token-1", None)
    assert (
        await command("revoke", "--user", "ada", "--until", "7d", SHARDBOARD_POSTGRES_URL=postgres_database)
    ).code == ExitCode.OK
    listed = valid(
        (await command("revoke", "list", "--output", "json", SHARDBOARD_POSTGRES_URL=postgres_database)).out, "revoke"
    )["revoked"]
    assert [row["value"] for row in listed] == ["ada", "token-1"]
    assert listed[0]["issued_until_s"] * 1000 == listed[0]["expires_ms"] > now_ms() + 6 * 86_400_000
    assert "@" in listed[0]["revoked_by"]
    assert (
        await command("revoke", "lift", "--user", "ada", SHARDBOARD_POSTGRES_URL=postgres_database)
    ).code == ExitCode.OK
    assert (
        await command("revoke", "lift", "--user", "ada", SHARDBOARD_POSTGRES_URL=postgres_database)
    ).code == ExitCode.NOTHING_TO_DO
    left = json.loads(
        (await command("revoke", "list", "--output", "json", SHARDBOARD_POSTGRES_URL=postgres_database)).out
    )["revoked"]
    assert [row["value"] for row in left] == ["token-1"]


async def test_a_user_is_logged_out_and_the_stricter_call_counts(postgres_database: str) -> None:
    await command("db", "upgrade", SHARDBOARD_POSTGRES_URL=postgres_database)
    later = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    first = await command(
        "revoke", "--user", "ada", "--until", later, "-o", "json", SHARDBOARD_POSTGRES_URL=postgres_database
    )
    second = await command("revoke", "--user", "ada", "-o", "json", SHARDBOARD_POSTGRES_URL=postgres_database)
    suspended, logged_out = (valid(ended.out, "revoke")["revoked"][0] for ended in (first, second))
    assert logged_out["issued_until_s"] == suspended["issued_until_s"]
    assert logged_out["expires_ms"] > suspended["expires_ms"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "give either --jti J or --user U"),
        (("--jti", "a", "--user", "b"), "give either --jti J or --user U"),
        (("--jti", ""), "must be 1 to 256 bytes"),
        (("--user", "x" * 129), "--user"),
        (("--user", "a", "--until", "2001-01-01T00:00:00Z"), "lies in the past"),
        (("--user", "a", "--until", "2101-01-01T00:00:00"), "needs its offset"),
        (("--user", "a", "--until", "soon"), "is not a duration"),
    ],
)
async def test_words_that_mean_nothing_are_told(words: tuple[str, ...], told: str) -> None:
    ended = await command("revoke", *words, COLUMNS="200", SHARDBOARD_POSTGRES_URL="postgresql://a@127.0.0.1:1/a")
    assert ended.code == ExitCode.USAGE
    assert told in ended.err
