"""`why-stalled`, `verify`, `advise`, `history` and `give-up` as they are typed, on real servers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from contracts import redis_keys
from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from contracts.ids import Partition
from tests.support.command import valid
from tests.support.rebalance_ground import RebalanceGround


async def start_moving(ground: RebalanceGround, folder: Path) -> list[int]:
    file = folder / "add.plan"
    assert (await ground.run("plan", "add", "s3", "--out", str(file))).code == ExitCode.OK
    assert (await ground.run("apply", str(file), "--detach")).code == ExitCode.OK
    return [number for number, owner in enumerate(await ground.owners()) if owner.move is not None]


async def test_why_stalled_names_the_cause(ground: RebalanceGround, tmp_path: Path) -> None:
    assert (await ground.run("why-stalled")).code == ExitCode.NOTHING_TO_DO
    moving = await start_moving(ground, tmp_path)
    await ground.run("pause")
    told = await ground.run("why-stalled", "--output", "json", schema="rebalance-why-stalled")
    assert told.code == ExitCode.STALLED
    assert {(move["partition"], move["reason"]) for move in told.json["moves"]} == {
        (partition, "moves are paused") for partition in moving
    }
    await ground.run("resume")
    for report in await ground.store.moves():
        await ground.store.report(replace(report, changed_ms=now_ms() + 60_000))  # however slowly this test runs
    assert (await ground.run("why-stalled")).code == ExitCode.OK
    await ground.redis["s3"].delete(redis_keys.LEASE)
    told = await ground.run("why-stalled", "--output", "json", schema="rebalance-why-stalled")
    assert told.code == ExitCode.STALLED
    assert {move["reason"] for move in told.json["moves"]} == {
        "no worker serves s3, which is to receive it; other moves do not wait for it"
    }
    assert "no worker" in (await ground.run("why-stalled")).out


async def test_verify_finds_a_second_owner(ground: RebalanceGround) -> None:
    told = await ground.run("verify", "--output", "json", schema="rebalance-verify")
    assert (told.code, told.json["findings"]) == (ExitCode.OK, [])
    stray = next(number for number, owner in enumerate(await ground.owners()) if owner.shard == "s1")
    await ground.hold("s2", stray, epoch=5)
    told = await ground.run("verify", "--output", "json", schema="rebalance-verify")
    assert told.code == ExitCode.DIFFERENT
    assert [(f["partition"], f["shard"], f["what"]) for f in told.json["findings"]] == [(stray, "s2", "two_owners")]
    await ground.drop("s2", stray)
    await ground.redis["s1"].hset(redis_keys.progress(Partition(stray)), "fenced", "1")
    assert "fenced" in (await ground.run("verify")).out


async def test_advise_names_the_idle_and_evens_out_the_uneven(ground: RebalanceGround, tmp_path: Path) -> None:
    told = await ground.run("advise", "--output", "json", schema="rebalance-advise")
    assert told.code == ExitCode.NOTHING_TO_DO
    assert [(each["kind"], each["shard"]) for each in told.json["advice"]] == [("idle", "s3")]
    await start_moving(ground, tmp_path)
    assert (await ground.run("advise")).code == ExitCode.REFUSED
    assert await ground.carry_out()
    file, heavy = tmp_path / "even.plan", tmp_path / "heavy.plan"
    assert (await ground.run("plan", "weight", "s3=1", "--out", str(heavy))).code == ExitCode.OK
    assert (await ground.run("apply", str(heavy), "--detach")).code == ExitCode.OK
    await ground.run("abort")
    uneven = await ground.run("advise", "--out", str(file), "--output", "json")
    plan: Any = valid(uneven.out, "rebalance-advise")["plan"]
    assert (uneven.code, plan["kind"]) == (ExitCode.OK, "even")
    assert {move["source"] for move in plan["moves"]} == {"s3"}
    assert (await ground.run("apply", str(file), "--detach")).code == ExitCode.OK


async def test_leftovers_of_a_lost_shard_are_given_up(ground: RebalanceGround, tmp_path: Path) -> None:
    (first, *_) = await start_moving(ground, tmp_path)
    owner = (await ground.owners())[first]
    assert owner.move is not None
    await ground.hold("s3", first, epoch=owner.move.epoch)
    assert await ground.store.switch(Partition(first), move_epoch=owner.move.epoch, target=owner.move.target)
    refused = await ground.run("give-up", owner.shard)
    assert (refused.code, "answers: its leftovers are removed" in refused.err) == (ExitCode.REFUSED, True)
    assert (await ground.run("give-up", "s9")).code == ExitCode.USAGE
    await ground.store.readdress(owner.shard, "redis://127.0.0.1:9/0")
    stalled = await ground.run("why-stalled", "--output", "json")
    (leftover,) = (move for move in stalled.json["moves"] if move["phase"] == "forgetting")
    assert f"rebalance give-up {owner.shard}" in leftover["remedy"]
    told = await ground.json("give-up", owner.shard, schema="rebalance-give-up")
    assert told == {"shard": owner.shard, "partitions": [first]}
    assert (await ground.owners())[first].forget == ()
    assert (await ground.run("give-up", owner.shard)).code == ExitCode.NOTHING_TO_DO


async def test_history_tells_who_did_what(ground: RebalanceGround, tmp_path: Path) -> None:
    await start_moving(ground, tmp_path)
    told = await ground.json("history", "--limit", "2", schema="rebalance-history")
    assert [change["change"]["what"] for change in told["changes"]] == ["planned", "joined"]
    assert [(plan["change"], plan["state"]) for plan in told["plans"]] == [("add s3", "running")]
    assert "@" in told["plans"][0]["applied_by"]
    assert "planned: plan 1" in (await ground.run("history")).out
