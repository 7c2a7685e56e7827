"""Partitions move between two real shards while actions pour in, and whatever is killed or frozen at whatever step,
each move is carried out or taken back by itself: nothing lost, nothing doubled, never two owners.

Set SHARDBOARD_TEST_MOVES=all for every party at every step; else three of them, drawn by seed, are tried."""

import asyncio
import os
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from contracts import redis_keys
from contracts.ids import Partition
from contracts.moves import MoveLimits, MovePhase
from contracts.periods import ALL_TIME
from tests.support.gated_worker import FORGETTING
from tests.support.move_ground import PARTITIONS, S1, S2, MoveGround, move_ground
from tests.support.services import StartPostgres, StartValkey

STEPS: Final = ("looking", "fencing", "wiping", "copying", "verifying", "owning", "switching", FORGETTING)
PARTIES: Final = ("source worker", "target worker", "source redis", "target redis", "postgres")
FROZEN_S: Final = 6.5
"""Longer than any lease and any client's patience for one reply."""
SEED: Final = int(os.environ.get("SHARDBOARD_TEST_MOVES_SEED", "20261124"))


def cases() -> list[tuple[str, str, str]]:
    """Party, step, and what is done to it: killed or frozen, by seed."""
    rng = random.Random(SEED)
    every = [(party, step, rng.choice(["killed", "frozen"])) for step, party in product(STEPS, PARTIES)]
    return every if os.environ.get("SHARDBOARD_TEST_MOVES") == "all" else rng.sample(every, 3)


@pytest.fixture
async def ground(
    kafka_address: str, start_valkey: StartValkey, start_postgres: StartPostgres, unique_name: str, tmp_path: Path
) -> AsyncIterator[MoveGround]:
    cache, postgres = await start_valkey("cache"), await start_postgres("postgres")
    servers = {S1: await start_valkey(S1), S2: await start_valkey(S2)}
    async with move_ground(
        servers, kafka=kafka_address, cache=cache.address, postgres=postgres, topic=unique_name, folder=tmp_path
    ) as ground:
        yield ground


async def test_partitions_move_there_and_back_while_actions_pour_in(ground: MoveGround) -> None:
    """All at once, two at a time. Told are rows and how long each stood still; every switch is seen by both workers."""
    before = {Partition(number): owner.shard for number, owner in enumerate(await ground.owners())}
    for seed in (2, 3):
        pouring = asyncio.create_task(ground.act(300, seed=seed), name="actions")
        for partition in before:
            await ground.move(partition)
        await pouring
        await ground.until_settled()
        for partition in before:
            report = await ground.until_told(partition, MovePhase.DONE)
            assert report.rows_copied == report.rows_total > 0
            assert report.attempts == 1
            assert report.paused_ms is not None
    assert {Partition(number): owner.shard for number, owner in enumerate(await ground.owners())} == before
    assert all(owner.epoch == 3 for owner in await ground.owners())


@pytest.mark.timeout(3_000)
async def test_whatever_ends_at_whatever_step_the_move_does_not_suffer(ground: MoveGround) -> None:
    for n, (party, step, how) in enumerate(cases()):
        pouring = asyncio.create_task(ground.act(150, seed=100 + n), name="actions")
        async with AsyncExitStack() as frozen:
            with ground.gate_at(step):
                order = await ground.move(Partition(n % PARTITIONS))
                await ground.until_reached()
                if how == "killed":
                    await ground.kill(party, order)
                else:
                    await frozen.enter_async_context(await ground.freeze(party, order))
            if how == "frozen":
                await wait_a_while()
        await pouring
        try:
            await ground.until_settled()
        except AssertionError as error:
            raise AssertionError(f"{party} {how} at {step} (seed {SEED}): {error}") from error
        report = await ground.report(order.partition)
        print(f"{n}: {party} {how} at {step}: {report.phase}, {report.attempts} attempts, {report.paused_ms} ms")  # noqa: T201
        await ground.end_zombies()


async def wait_a_while() -> None:
    """Nothing tells when a frozen process has been noticed by everybody: time has to pass."""
    never = asyncio.Event()
    with suppress(TimeoutError):
        async with asyncio.timeout(FROZEN_S):
            await never.wait()


async def test_source_that_is_gone_for_good_is_made_from_the_log(ground: MoveGround) -> None:
    """Its leftovers stay listed until an operator gives them up; they would be removed if it came back."""
    partition = Partition(1)
    with ground.gate_at("looking"):
        order = await ground.move(partition)
        await ground.until_reached()
        await ground.servers[order.source].stop(grace_s=0)
        await ground.workers[order.source].kill()
    report = await ground.until_told(partition, MovePhase.FORGETTING)
    assert (report.reason, report.attempts) == ("from log", 1)
    assert (await ground.owners())[partition].forget == (order.source,)
    await ground.servers[order.source].start()
    await ground.worker(order.source)
    await ground.act(60, seed=9)
    await ground.until_settled()


async def test_aborted_move_leaves_nothing_behind_and_undone_one_comes_back(ground: MoveGround) -> None:
    partition = Partition(2)
    for n, step in enumerate(("fencing", "copying", "owning", "switching")):
        with ground.gate_at(step):
            order = await ground.move(partition)
            await ground.until_reached()
            await ground.store.abort([partition])
        await ground.act(40, seed=20 + n)
        await ground.until_settled()
        assert (await ground.owners())[partition].shard == order.source
        assert (await ground.report(partition)).phase is MovePhase.ABORTED
    for _ in range(2):
        await ground.move(partition)
        await ground.until_settled()
    assert (await ground.owners())[partition].shard == order.source


async def test_pause_holds_what_is_not_fenced_and_ends_what_is(ground: MoveGround) -> None:
    with ground.gate_at("wiping"):
        await ground.move(Partition(0))
        await ground.until_reached()
        await ground.store.set_limits(MoveLimits(is_paused=True))
        await ground.move(Partition(3))
    await ground.until_told(Partition(0), MovePhase.DONE)
    report = await ground.until_told(Partition(3), MovePhase.WAITING)
    assert report.reason == "moves are paused"
    await ground.act(40, seed=5)
    await ground.store.set_limits(MoveLimits(users_per_s_max=10))
    await ground.until_settled()
    slow, free = await ground.report(Partition(3)), await ground.report(Partition(0))
    assert slow.paused_ms is not None
    assert free.paused_ms is not None
    assert slow.paused_ms > 700, "some 15 users at 10 a second"


async def test_move_whose_target_has_no_worker_holds_nobody_up(ground: MoveGround) -> None:
    """It has the only place there is. The other one goes on after a while, and the first when its worker is back."""
    await ground.store.set_limits(MoveLimits(moves_at_once=1))
    owners = [owner.shard for owner in await ground.owners()]
    stuck = S2 if owners[0] == S1 else S1
    there, back = Partition(0), Partition(owners.index(stuck))
    await ground.workers[stuck].kill()
    await ground.move(there)
    await ground.move(back)
    await ground.until_told(back, MovePhase.FORGETTING, MovePhase.DONE)
    assert (await ground.report(there)).phase is MovePhase.INTENDED
    await ground.worker(stuck)
    await ground.until_settled()


async def test_row_altered_on_its_way_is_found_and_copied_again(ground: MoveGround) -> None:
    partition = Partition(1)
    with ground.gate_at("verifying"):
        order = await ground.move(partition)
        await ground.until_reached()
        board = redis_keys.scores(partition, ALL_TIME)
        first: Any = await ground.redis[order.target].zrange(board, 0, 0)
        await ground.redis[order.target].zincrby(board, 1, first[0])
    await ground.until_settled()
    report = await ground.report(partition)
    assert report.attempts == 2
    assert "copy_differs" in ground.workers[order.target].log
