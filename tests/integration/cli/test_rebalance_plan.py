"""What `shardboard rebalance plan` and `apply` refuse: with the reason, the exit code, and nothing changed."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.exit_codes import ExitCode
from shardboard.embedded.ports import free_ports
from shardboard.rebalance.plan_file import read_plan, sealed, write_plan
from tests.support.rebalance_ground import MARK, PARTITIONS, RebalanceGround
from tests.support.services import StartValkey

Refusals = Sequence[tuple[tuple[str, ...], ExitCode, str]]


async def assert_refused(ground: RebalanceGround, refusals: Refusals) -> None:
    """Each with its code and its reason, and the map, its history and its plans as before."""
    before = (await ground.map(), await ground.store.history(), await ground.store.plans())
    for words, code, reason in refusals:
        ended = await ground.run(*words)
        assert (ended.code, reason in " ".join(ended.err.split())) == (code, True), (words, ended)
        assert ended.out == "", words
    assert (await ground.map(), await ground.store.history(), await ground.store.plans()) == before


async def test_impossible_changes_are_refused(ground: RebalanceGround) -> None:
    url = ground.urls["s4"]
    await assert_refused(
        ground,
        [
            (("plan", "remove", "s9"), ExitCode.USAGE, "s9: no such shard, there are s1, s2, s3"),
            (("plan", "drain", "s9"), ExitCode.USAGE, "s9: no such shard"),
            (("plan", "add", "S_4", "--redis", url), ExitCode.USAGE, "must match"),
            (("plan", "add", "s2", "--redis", url), ExitCode.REFUSED, "s2 takes part already"),
            (("plan", "add", "s4", "s4"), ExitCode.USAGE, "s4 is named twice"),
            (("plan", "add", "s4"), ExitCode.REFUSED, "no worker of s4 has joined"),
            (("plan", "add", "s4", "s5", "--redis", url), ExitCode.USAGE, "2 shards and 1 --redis"),
            (("plan", "add", "s3", "--weight", "0"), ExitCode.USAGE, "weight 0 of s3: must be from 1"),
            (("plan", "weight", "s1=-3"), ExitCode.USAGE, "weight -3 of s1: must be from 1"),
            (("plan", "weight", "s1=0"), ExitCode.USAGE, "weight 0 of s1"),
            (("plan", "weight", "s1"), ExitCode.USAGE, "is not a shard and its weight"),
            (("plan", "weight", "s1=100"), ExitCode.NOTHING_TO_DO, "weight s1=100 would change nothing"),
            (("plan", "remove", "s1", "s2"), ExitCode.REFUSED, "no shard is left that takes part"),
            (("plan", "replace", "s1", "s2"), ExitCode.REFUSED, "s2 takes part already"),
        ],
    )


async def test_a_redis_that_will_not_do_is_refused(ground: RebalanceGround, start_valkey: StartValkey) -> None:
    nowhere = f"redis://127.0.0.1:{free_ports(1)[0]}/0"
    full, foreign, evicting, cache = [await start_valkey(f"bad{number}") for number in range(4)]
    await _set(full.address, "SET", "somebody's", "data")
    await _set(foreign.address, "HSET", redis_keys.CLUSTER, "deployment", "another", "topic", "actions")
    await _set(evicting.address, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    await _set(cache.address, "HSET", redis_keys.CLUSTER, *(part for item in MARK.items() for part in item))
    await _set(cache.address, "HSET", redis_keys.SHARD_TOPS, "s1", "top")
    same = ground.urls["s1"].replace("127.0.0.1", "localhost")
    secret = nowhere.replace("//", "//ann:hunter2@")
    await assert_refused(
        ground,
        [
            (("plan", "add", "s4", "--redis", nowhere), ExitCode.FAILED, "does not answer"),
            (("plan", "add", "s4", "--redis", secret), ExitCode.FAILED, "redis://ann:***@127.0.0.1"),
            (("plan", "add", "s4", "--redis", "ftp://x"), ExitCode.USAGE, "ftp://x is no address"),
            (
                ("plan", "add", "s4", "--redis", full.address),
                ExitCode.REFUSED,
                "holds 1 keys that are not Shardboard's",
            ),
            (("plan", "add", "s4", "--redis", foreign.address), ExitCode.REFUSED, "belongs to another deployment"),
            (("plan", "add", "s4", "--redis", evicting.address), ExitCode.REFUSED, "must be noeviction"),
            (("plan", "add", "s4", "--redis", cache.address), ExitCode.REFUSED, "is this deployment's cache"),
            (("plan", "add", "s4", "--redis", same), ExitCode.REFUSED, "is that of shard s1 already"),
            (("plan", "add", "s4", "--redis", ground.urls["s3"]), ExitCode.REFUSED, "is that of s3"),
            (("plan", "replace", "s1", "s4", "--redis", full.address), ExitCode.REFUSED, "use an empty one"),
        ],
    )
    await ground.redis["s3"].set("stray", "key")
    await ground.redis["s3"].delete(redis_keys.CLUSTER)
    await assert_refused(ground, [(("plan", "add", "s3"), ExitCode.REFUSED, "keys that are not Shardboard's")])


async def test_a_plan_for_an_unknown_redis_makes_it_known(ground: RebalanceGround, tmp_path: Path) -> None:
    file = tmp_path / "add.plan"
    shown = await ground.run("plan", "add", "s4", "--redis", ground.urls["s4"], "--out", str(file), "--explain")
    assert shown.code == ExitCode.OK, shown.err
    for part in ("plan: add s4", "s4 takes its share of 3", "nothing has changed yet", "Rate: 100,000 rows/s, assumed"):
        assert part in shown.out
    assert await ground.redis["s4"].dbsize() == 0, "a plan writes nowhere"
    assert (await ground.run("apply", str(file), "--detach")).code == ExitCode.OK
    assert [(e.shard, e.url) for e in (await ground.map()).shards][-1] == ("s4", ground.urls["s4"])


async def test_only_the_plan_that_was_made_is_applied(ground: RebalanceGround, tmp_path: Path) -> None:
    file, edited, foreign, nothing = (tmp_path / name for name in ("good", "edited", "foreign", "nothing"))
    assert (await ground.run("plan", "add", "s3", "--out", str(file))).code == ExitCode.OK
    text = file.read_text()
    edited.write_text(text.replace('"target": "s3"', '"target": "s1"', 1))

    foreign.write_bytes(
        write_plan(sealed(msgspec.structs.replace(read_plan(text.encode()), deployment="other/actions")))
    )
    nothing.write_text("{}")
    await assert_refused(
        ground,
        [
            (("apply", str(edited)), ExitCode.REFUSED, "was changed after it was made"),
            (("apply", str(foreign)), ExitCode.REFUSED, "is for another deployment"),
            (("apply", str(nothing)), ExitCode.REFUSED, "is no plan of this version"),
            (("apply", str(tmp_path / "absent")), ExitCode.USAGE, "Invalid value"),
            (("apply", str(file), "--timeout", "soon"), ExitCode.USAGE, "is not a duration"),
        ],
    )
    other = tmp_path / "other"
    assert (await ground.run("plan", "remove", "s2", "--out", str(other))).code == ExitCode.OK
    assert (await ground.run("apply", str(file), "--detach")).code == ExitCode.OK
    await assert_refused(
        ground,
        [
            (("apply", str(other)), ExitCode.REFUSED, "is stale: the map was at version"),
            (("apply", str(file)), ExitCode.REFUSED, "is stale"),
            (("plan", "even"), ExitCode.REFUSED, "3 partitions are on their way"),
        ],
    )


async def test_of_two_operators_at_once_one_is_refused(ground: RebalanceGround, tmp_path: Path) -> None:
    plans = [tmp_path / "first", tmp_path / "second"]
    for file, words in zip(plans, (("add", "s3"), ("weight", "s1=300")), strict=True):
        assert (await ground.run("plan", *words, "--out", str(file))).code == ExitCode.OK
    ended = await asyncio.gather(*(ground.run("apply", str(file), "--detach") for file in plans))
    assert sorted(each.code for each in ended) == [ExitCode.OK, ExitCode.REFUSED]
    (refused,) = (each for each in ended if each.code)
    assert "Plan again" in refused.err
    assert len(await ground.store.plans()) == 1


async def test_limits_and_strangers_do_not_make_a_plan_stale(ground: RebalanceGround, tmp_path: Path) -> None:
    file = tmp_path / "add.plan"
    assert (await ground.run("plan", "add", "s3", "--out", str(file))).code == ExitCode.OK
    assert (await ground.run("throttle", "--moves-at-once", "4")).code == ExitCode.OK
    assert (await ground.run("apply", str(file), "--detach")).code == ExitCode.OK


@pytest.mark.parametrize(
    ("words", "moves"),
    [(("remove", "s2"), None), (("drain", "s1"), None), (("replace", "s2", "s3"), None), (("weight", "s1=300"), 1)],
    ids=lambda words: words[0] if isinstance(words, tuple) else "",
)
async def test_plans_of_every_kind(ground: RebalanceGround, words: tuple[str, ...], moves: int | None) -> None:
    plan = await ground.json("plan", *words, schema="rebalance-plan-file")
    held = sum(owner.shard == words[1] for owner in await ground.owners())
    assert len(plan["moves"]) == (held if moves is None else moves)
    assert (plan["kind"], plan["change"]) == (words[0], " ".join(words))
    assert all(move["reason"] and move["users"] == 30 and move["bytes"] > 0 for move in plan["moves"])
    assert sum(load["partitions_after"] for load in plan["shards"]) == PARTITIONS


async def _set(url: str, *words: str) -> None:
    async with Redis.from_url(url) as redis:
        await redis.execute_command(*words)  # type: ignore[no-untyped-call]
