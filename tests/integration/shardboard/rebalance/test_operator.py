"""Who follows a plan goes on following while Postgres is away; a plan that is not there is said to be so."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from archiver.postgres_migrate import upgrade
from contracts.exit_codes import ExitCode
from contracts.ids import Partition
from contracts.moves import MovePhase
from foundation.postgres_connect import connect
from foundation.settings import load_common
from partitioning.ring import static_map
from shardboard.command_error import CommandError
from shardboard.embedded.postgres import PostgresServer
from shardboard.rebalance import change
from shardboard.rebalance.change import NewShard
from shardboard.rebalance.draft import Occasion, draft_plan
from shardboard.rebalance.follow import PlanProgress
from shardboard.rebalance.operator import Operator
from shardboard.rebalance.plan_file import order_of
from tests.support.clusters import DEPLOYMENT, S1, S2, S3, entry, figures
from tests.support.services import StartPostgres
from tests.support.wait import wait_until


@dataclass(slots=True)
class Looks:
    """What a follower was shown."""

    seen: list[tuple[PlanProgress, str]] = field(default_factory=list)

    def show(self, progress: PlanProgress, trouble: str) -> None:
        self.seen.append((progress, trouble))


@pytest.fixture
async def server(start_postgres: StartPostgres) -> PostgresServer:
    return await start_postgres("own")


@pytest.fixture
async def operator(server: PostgresServer) -> AsyncIterator[Operator]:
    connection = await connect(server.address, name="test")
    await upgrade(connection)
    await connection.close()
    async with Operator(load_common({"SHARDBOARD_POSTGRES_URL": server.address}), name="ann@host") as made:
        await made.store.seed(static_map(8, [S1, S2]), [entry(S1), entry(S2)])
        await made.store.join(entry(S3))
        yield made


async def applied(operator: Operator) -> int:
    stored = await operator.store.read()
    asked = change.add(stored, [NewShard(S3)])
    plan = draft_plan(asked, stored, figures=figures(stored), reports=[], occasion=Occasion("a", 1, DEPLOYMENT))
    return await operator.store.apply_plan(order_of(plan, stored))


async def finish(operator: Operator) -> None:
    stored = await operator.store.read()
    assert stored.map is not None
    for number, owner in enumerate(stored.map.owners):
        if owner.move is not None:
            partition, epoch = Partition(number), owner.move.epoch
            assert await operator.store.switch(partition, move_epoch=epoch, target=owner.move.target)
            await operator.store.forgotten(partition, shard=owner.shard, epoch=epoch)


async def test_following_survives_postgres_being_away(operator: Operator, server: PostgresServer) -> None:
    number, looks = await applied(operator), Looks()
    assert await operator.running_plan() == number
    following = asyncio.create_task(operator.follow(number, timeout_s=None, show=looks.show))
    await wait_until(lambda: looks.seen, what="a first look")
    await server.stop()
    await wait_until(lambda: "Postgres does not answer" in looks.seen[-1][1], timeout_s=60, what="trouble to be shown")
    await server.start()
    await wait_until(lambda: looks.seen[-1][1] == "", timeout_s=60, what="Postgres to be followed again")
    await finish(operator)
    ended = await following
    assert (ended.state, ended.done, ended.exit_code) == ("done", 3, ExitCode.OK)
    assert await operator.running_plan() is None


async def test_time_that_is_over_ends_the_look_and_not_the_work(operator: Operator) -> None:
    number, looks = await applied(operator), Looks()
    ended = await operator.follow(number, timeout_s=0, show=looks.show)
    assert (ended.exit_code, ended.left) == (ExitCode.STALLED, 3)
    assert {move.phase for move in await operator.store.moves(number)} == {MovePhase.INTENDED}


async def test_leftovers_alone_are_not_waited_for_for_ever(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shardboard.rebalance.operator.LEFTOVERS_S_MAX", 0.2)
    number, looks = await applied(operator), Looks()
    stored = await operator.store.read()
    assert stored.map is not None
    for partition, owner in enumerate(stored.map.owners):
        if owner.move is not None:
            move = owner.move
            assert await operator.store.switch(Partition(partition), move_epoch=move.epoch, target=move.target)
    ended = await operator.follow(number, timeout_s=None, show=looks.show)
    assert (ended.left, ended.done, ended.leftovers, ended.exit_code) == (0, 3, 3, ExitCode.STALLED)


async def test_a_plan_that_is_not_there_is_a_usage_error(operator: Operator) -> None:
    with pytest.raises(CommandError) as unknown:
        await operator.progress(9)
    assert unknown.value.code is ExitCode.USAGE


async def test_a_plan_needs_a_shard_that_tells_which_deployment_this_is(operator: Operator) -> None:
    with pytest.raises(CommandError, match="no shard's Redis says which deployment this is") as unknown:
        await operator.plan(lambda stored: change.add(stored, [NewShard(S3)]))
    assert unknown.value.code is ExitCode.FAILED
