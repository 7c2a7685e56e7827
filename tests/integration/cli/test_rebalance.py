"""`shardboard rebalance` as it is typed, on a real map and real Redis servers: from a plan to its undo."""

import asyncio
import signal
from pathlib import Path

from contracts.exit_codes import ExitCode
from contracts.ids import ShardId
from tests.support.processes import ended, spawn
from tests.support.rebalance_ground import PARTITIONS, RebalanceGround
from tests.support.wait import wait_until


async def planned(ground: RebalanceGround, folder: Path, *words: str) -> Path:
    file = folder / "the.plan"
    await ground.json("plan", *words, "--out", str(file), schema="rebalance-plan-file")
    return file


async def test_status_shows_the_cluster(ground: RebalanceGround) -> None:
    told = await ground.run("status", "--output", "json", schema="rebalance-status")
    assert told.code == ExitCode.OK, told.out
    rows = {row["shard"]: row for row in told.json["shards"]}
    assert {shard: row["state"] for shard, row in rows.items()} == {"s1": "serving", "s2": "serving", "s3": "idle"}
    assert rows["s1"]["partitions"] + rows["s2"]["partitions"] == PARTITIONS
    assert rows["s1"]["users"] == rows["s1"]["partitions"] * 30
    assert rows["s1"]["lag"] is None, "Kafka is away"
    assert "fullest shard at" in (await ground.run("status")).out


async def test_a_plan_changes_nothing_and_its_apply_everything(ground: RebalanceGround, tmp_path: Path) -> None:
    before = await ground.map()
    file = await planned(ground, tmp_path, "add", "s3")
    assert await ground.map() == before
    assert file.stat().st_mode & 0o777 == 0o600

    told = await ground.json("apply", str(file), "--detach", schema="rebalance-progress")
    moving = [number for number, owner in enumerate(await ground.owners()) if owner.move is not None]
    assert told["left"] == len(moving) == 3
    assert {owner.move.target for owner in await ground.owners() if owner.move} == {"s3"}

    waiting = await ground.run("wait", "--timeout", "1s", "--output", "json", schema="rebalance-progress")
    assert (waiting.code, waiting.json["state"]) == (ExitCode.STALLED, "running")
    assert "plan 1 (add s3): 0 of 3 moved" in waiting.err

    assert await ground.carry_out() == moving
    done = await ground.json("wait", "1", schema="rebalance-progress")
    assert (done["state"], done["done"]) == ("done", 3)
    assert (await ground.run("wait")).code == ExitCode.NOTHING_TO_DO
    assert (await ground.run("verify")).code == ExitCode.OK


async def test_leaving_the_command_does_not_stop_the_work(ground: RebalanceGround, tmp_path: Path) -> None:
    file = await planned(ground, tmp_path, "add", "s3")
    process = await spawn("rebalance", "apply", str(file), cwd=None, **ground.environ)
    assert process.stderr is not None
    await process.stderr.readuntil(b"of 3 moved")
    process.send_signal(signal.SIGINT)
    left = await ended(process)
    assert left.code == ExitCode.STALLED, left.err
    assert "plan 1 goes on without this command" in left.err
    assert sum(owner.move is not None for owner in await ground.owners()) == 3
    again = asyncio.create_task(ground.run("wait", "1"))
    await ground.carry_out()
    assert (await again).code == ExitCode.OK


async def test_abort_and_undo_bring_everything_back(ground: RebalanceGround, tmp_path: Path) -> None:
    before = [owner.shard for owner in await ground.owners()]
    file = await planned(ground, tmp_path, "add", "s3", "--weight", "200")
    await ground.json("apply", str(file), "--detach", schema="rebalance-progress")
    moving = [number for number, owner in enumerate(await ground.owners()) if owner.move is not None]
    first, second, *rest = moving
    assert await ground.carry_out(lambda number: number == first) == [first]

    aborted = await ground.json("abort", str(second), schema="rebalance-abort")
    assert aborted["partitions"] == [second]
    assert (await ground.run("abort", str(second))).code == ExitCode.NOTHING_TO_DO

    dry = await ground.json("undo", "--dry-run", schema="rebalance-plan-file")
    assert [(move["partition"], move["source"]) for move in dry["moves"]] == [(first, "s3")]
    assert dry["weights"] == {"s3": 100}
    assert sum(owner.move is not None for owner in await ground.owners()) == len(rest), "a dry run changes nothing"

    undone = await ground.json("undo", "--detach", schema="rebalance-progress")
    assert (undone["change"], undone["left"]) == ("undo plan 1 (add s3)", 1)
    assert await ground.carry_out() == [first]
    assert [owner.shard for owner in await ground.owners()] == before
    stored = await ground.map()
    assert {entry.shard: entry.weight for entry in stored.shards}[ShardId("s3")] == 100
    told = await ground.json("history", schema="rebalance-history")
    assert [(plan["plan"], plan["state"], plan["undoes"]) for plan in told["plans"]] == [
        (2, "done", 1),
        (1, "undone", None),
    ]
    assert (await ground.run("undo")).code == ExitCode.NOTHING_TO_DO


async def test_a_removed_shard_leaves_and_comes_back_by_undo(ground: RebalanceGround, tmp_path: Path) -> None:
    file = await planned(ground, tmp_path, "remove", "s2")
    await ground.run("apply", str(file), "--detach")
    await ground.carry_out()
    assert [entry.shard for entry in (await ground.map()).shards] == ["s1", "s3"]
    back = asyncio.create_task(ground.run("undo"))
    await wait_until(lambda: any_moves(ground), timeout_s=60, what="the way back to be intended")
    await ground.carry_out()
    assert (await back).code == ExitCode.OK
    assert {owner.shard for owner in await ground.owners()} == {"s1", "s2"}
    assert [entry.shard for entry in (await ground.map()).shards] == ["s1", "s2", "s3"]


async def any_moves(ground: RebalanceGround) -> bool:
    return any(owner.move is not None for owner in await ground.owners())


async def test_watching_ends_with_ctrl_c(ground: RebalanceGround) -> None:
    process = await spawn("rebalance", "status", "--watch", "--output", "json", cwd=None, **ground.environ)
    assert process.stdout is not None
    await process.stdout.readuntil(b"\n")
    await process.stdout.readuntil(b"\n")
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code == ExitCode.OK
