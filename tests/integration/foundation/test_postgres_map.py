"""The map in a real Postgres: each change whole or not at all, serialised, and told in the history."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from archiver.postgres_migrate import upgrade
from contracts.ids import Epoch, Partition, ShardId
from contracts.moves import MoveLimits, MoveOrder, MovePhase, MoveReport, PlanOrder
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from foundation.postgres_connect import connect
from foundation.postgres_map import MapStore
from foundation.service import Refused
from tests.support.wait import wait_until

S1, S2, S3 = ShardId("s1"), ShardId("s2"), ShardId("s3")
P0, P1, P2 = Partition(0), Partition(1), Partition(2)
ENTRIES = [ShardEntry(shard, f"redis://{shard}:6379/0", 100) for shard in (S1, S2)]
FIRST = ShardMap(1, (Ownership(S1, Epoch(1)), Ownership(S2, Epoch(1)), Ownership(S1, Epoch(1))))


@pytest.fixture
async def store(postgres_database: str) -> AsyncIterator[MapStore]:
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    await connection.close()
    made = MapStore(postgres_database, name="tester")
    yield made
    await made.close()


async def seeded(store: MapStore) -> MapStore:
    assert await store.seed(FIRST, ENTRIES)
    return store


def order(*moves: tuple[Partition, ShardId, ShardId], version: int = 1, **more: Any) -> PlanOrder:
    orders = tuple(MoveOrder(*move) for move in moves)
    return PlanOrder(map_version=version, checksum="c", content=b'{"plan": 1}', moves=orders, **more)


def report(phase: MovePhase = MovePhase.COPYING, **more: Any) -> MoveReport:
    fields: dict[str, Any] = {
        "partition": P0,
        "move_epoch": Epoch(2),
        "source": S1,
        "target": S2,
        "begun_ms": 5,
        "changed_ms": 6,
        **more,
    }
    return MoveReport(phase=phase, **fields)


async def owners(store: MapStore) -> tuple[Ownership, ...]:
    stored = await store.read()
    assert stored.map is not None
    assert stored.map.version == stored.version == await store.version()
    return stored.map.owners


async def told(store: MapStore) -> list[str]:
    """The kinds of all changes, oldest first; their versions have no gap."""
    history = await store.history()
    assert [change.version for change in history] == list(range(len(history), 0, -1))
    assert {change.changed_by for change in history} <= {"tester"}
    return [msgspec.json.decode(change.change)["what"] for change in reversed(history)]


async def test_first_map_is_made_once(store: MapStore) -> None:
    empty = await store.read()
    assert (empty.version, empty.map, empty.shards, empty.limits) == (0, None, (), MoveLimits())
    answers = await asyncio.gather(*(store.seed(FIRST, ENTRIES) for _ in range(5)))
    assert sorted(answers) == [False] * 4 + [True]
    stored = await store.read()
    assert stored.map == FIRST
    assert stored.shards == tuple(ENTRIES)
    assert await told(store) == ["seeded"]
    assert (stored.url_of(S2), stored.url_of(S3)) == ("redis://s2:6379/0", None)


async def test_shard_joins_once_and_another_address_is_refused(store: MapStore) -> None:
    await seeded(store)
    entry = ShardEntry(S3, "redis://s3:1/0", 100)
    for _ in range(2):
        await store.join(entry)
    assert (await store.read()).shards == (*ENTRIES, entry)
    with pytest.raises(Refused, match="another Redis serves shard s3 by the map"):
        await store.join(replace(entry, url="redis://other:1/0"))
    await store.readdress(S3, "redis://other:1/0")
    await store.join(replace(entry, url="redis://other:1/0"))
    assert await told(store) == ["seeded", "joined", "readdressed"]


async def test_move_from_plan_to_the_end(store: MapStore) -> None:
    await seeded(store)
    plan = await store.apply_plan(order((P0, S1, S2)))
    assert (await owners(store))[0] == Ownership(S1, Epoch(1), Epoch(1), Move(Epoch(2), S2))
    assert [(m.phase, m.plan) for m in await store.moves(plan)] == [(MovePhase.INTENDED, plan)]
    await store.report(report(rows_copied=7))
    (move,) = await store.moves()
    assert move == report(rows_copied=7, plan=plan)

    assert not await store.switch(P0, move_epoch=Epoch(3), target=S2)
    assert not await store.switch(P0, move_epoch=Epoch(2), target=S3)
    assert not await store.switch(P1, move_epoch=Epoch(2), target=S2)
    assert await store.switch(P0, move_epoch=Epoch(2), target=S2)
    assert not await store.switch(P0, move_epoch=Epoch(2), target=S2)
    assert (await owners(store))[0] == Ownership(S2, Epoch(2), Epoch(2), None, (S1,))
    assert [record.state for record in await store.plans()] == ["running"]

    await store.forgotten(P0, shard=S1, epoch=Epoch(1))
    assert (await owners(store))[0].forget == (S1,)
    await store.forgotten(P0, shard=S1, epoch=Epoch(2))
    assert (await owners(store))[0] == Ownership(S2, Epoch(2), Epoch(2))
    assert [m.phase for m in await store.moves(plan)] == [MovePhase.DONE]
    (record,) = await store.plans()
    assert (record.plan, record.state, record.applied_by, record.content) == (plan, "done", "tester", b'{"plan": 1}')
    assert await told(store) == ["seeded", "planned", "switched", "forgotten"]


async def test_report_that_comes_late_holds_nothing_up(store: MapStore) -> None:
    """The receiver tells of its steps beside carrying them out: what it told before the switch may arrive after it, and
    what it told of the end after the leftovers are gone."""
    await seeded(store)
    plan = await store.apply_plan(order((P0, S1, S2)))
    assert await store.switch(P0, move_epoch=Epoch(2), target=S2)
    await store.report(report(MovePhase.SWITCHING))
    await store.forgotten(P0, shard=S1, epoch=Epoch(2))
    await store.report(report(MovePhase.FORGETTING))
    assert [move.phase for move in await store.moves(plan)] == [MovePhase.DONE]
    assert [record.state for record in await store.plans()] == ["done"]


async def test_leftovers_end_only_moves_that_switched(store: MapStore) -> None:
    """The partition goes from s1 to s2, back, and is on its way again, when an older leftover of s1 is told of."""
    await seeded(store)
    first = await store.apply_plan(order((P0, S1, S2)))
    await store.switch(P0, move_epoch=Epoch(2), target=S2)
    second = await store.apply_plan(order((P0, S2, S1), version=await store.version()))
    await store.switch(P0, move_epoch=Epoch(3), target=S1)
    third = await store.apply_plan(order((P0, S1, S2), version=await store.version()))
    await store.forgotten(P0, shard=S2, epoch=Epoch(3))
    phases = {plan: [move.phase for move in await store.moves(plan)] for plan in (first, second, third)}
    assert phases[second] == [MovePhase.DONE]
    assert phases[third] == [MovePhase.INTENDED]


async def test_plan_is_refused_whole(store: MapStore) -> None:
    await seeded(store)
    before = await store.read()
    for refused, reason in (
        (order((P0, S1, S2), version=7), "it is at version 1, the plan is for 7"),
        (order((P0, S1, S2), (P1, S1, S2)), "partitions 1 are moving already, or belong to another shard"),
        (order((P0, S1, S2), (P0, S1, S2)), "are moving already"),
        (order((P0, S1, S2), (Partition(99), S1, S2)), "partitions 99"),
        (order((P0, S1, S2), (P1, S2, S3)), "s3 cannot receive partitions"),
        (order((P0, S1, S2), leaving=frozenset([S2])), "s2 cannot receive partitions"),
        (order((P0, S1, S2), weights={S3: 50}), "s3: no such shard"),
    ):
        with pytest.raises(Refused, match=reason):
            await store.apply_plan(refused)
    assert await store.read() == before
    assert (await store.plans(), await store.moves()) == ([], [])
    await store.apply_plan(order((P0, S1, S2)))
    with pytest.raises(Refused, match="partitions 0 are moving already"):
        await store.apply_plan(order((P0, S1, S2), version=2))


async def test_plan_makes_its_new_shard_known_with_its_first_moves_or_not_at_all(store: MapStore) -> None:
    await seeded(store)
    entry = ShardEntry(S3, "redis://s3:1/0", 50)
    with pytest.raises(Refused, match="are moving already"):
        await store.apply_plan(order((P0, S2, S3), joining=(entry,)))
    assert (await store.read()).shards == tuple(ENTRIES)
    await store.apply_plan(order((P0, S1, S3), joining=(entry,)))
    assert (await store.read()).shards == (*ENTRIES, entry)


async def test_of_two_operators_at_once_one_is_refused(store: MapStore) -> None:
    await seeded(store)
    plans = [store.apply_plan(order(move)) for move in ((P0, S1, S2), (P1, S2, S1), (P2, S1, S2))]
    answers = await asyncio.gather(*plans, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["Refused", "Refused", "int"]
    assert sum(owner.move is not None for owner in await owners(store)) == 1


async def test_abort_gives_the_owner_a_newer_epoch(store: MapStore) -> None:
    await seeded(store)
    plan = await store.apply_plan(order((P0, S1, S2), (P2, S1, S2)))
    assert await store.abort([P1]) == {}
    assert await store.abort([P0, P1]) == {P0: 3}
    assert not await store.switch(P0, move_epoch=Epoch(2), target=S2)
    assert (await owners(store))[0] == Ownership(S1, Epoch(3), Epoch(1), None, (S2,))
    assert [record.state for record in await store.plans()] == ["running"]
    await store.report(report(MovePhase.WAITING))
    assert await store.abort() == {P2: 3}
    assert await store.abort() == {}
    assert [move.phase for move in await store.moves(plan)] == [MovePhase.ABORTED] * 2
    assert [record.state for record in await store.plans()] == ["aborted"]
    again = await store.apply_plan(order((P0, S1, S2), version=await store.version(), undoes=plan))
    assert (await owners(store))[0] == Ownership(S1, Epoch(3), Epoch(1), Move(Epoch(4), S2), (S2,))
    assert [record.state for record in await store.plans()] == ["undone", "running"]
    await store.switch(P0, move_epoch=Epoch(4), target=S2)
    assert (await owners(store))[0] == Ownership(S2, Epoch(4), Epoch(4), None, (S1,)), "what it owns is no leftover"
    assert again == plan + 1
    assert [record.plan for record in await store.plans(again)] == [again]


async def test_leaving_shard_leaves_when_nothing_is_left_of_it(store: MapStore) -> None:
    await seeded(store)
    await store.apply_plan(order((P1, S2, S1), leaving=frozenset([S2]), weights={S1: 300}))
    stored = await store.read()
    assert stored.shards == (replace(ENTRIES[0], weight=300), replace(ENTRIES[1], is_leaving=True))
    await store.join(ENTRIES[1])
    await store.switch(P1, move_epoch=Epoch(2), target=S1)
    assert len((await store.read()).shards) == 2
    await store.forgotten(P1, shard=S2, epoch=Epoch(2))
    assert [entry.shard for entry in (await store.read()).shards] == [S1]
    await store.join(ENTRIES[1])
    await store.apply_plan(order(version=await store.version(), leaving=frozenset([S2])))
    assert [entry.shard for entry in (await store.read()).shards] == [S1]


async def test_leftovers_of_a_lost_shard_are_given_up(store: MapStore) -> None:
    await seeded(store)
    plan = await store.apply_plan(order((P1, S2, S1), leaving=frozenset([S2])))
    await store.switch(P1, move_epoch=Epoch(2), target=S1)
    assert await store.give_up_leftovers(S2) == [P1]
    stored = await store.read()
    assert stored.map is not None
    assert (stored.map.owners[1].forget, len(stored.shards)) == ((), 1)
    assert [record.state for record in await store.plans()] == ["done"]
    assert [move.phase for move in await store.moves(plan)] == [MovePhase.DONE]


async def test_shard_that_was_leaving_may_stay(store: MapStore) -> None:
    await seeded(store)
    await store.apply_plan(order((P1, S2, S1), leaving=frozenset([S2])))
    await store.abort()
    await store.apply_plan(order(version=await store.version(), staying=frozenset([S2])))
    assert not any(entry.is_leaving for entry in (await store.read()).shards)


async def test_limits_are_part_of_what_is_followed(store: MapStore) -> None:
    await seeded(store)
    limits = MoveLimits(is_paused=True, moves_at_once=5, users_per_s_max=1_000)
    await store.set_limits(limits)
    stored = await store.read()
    assert (stored.limits, stored.version) == (limits, 2)


async def test_rebuilt_map_is_newer_than_any_that_was_known(store: MapStore) -> None:
    await seeded(store)
    await store.apply_plan(order((P0, S1, S2)))
    rebuilt = {P0: Ownership(S2, Epoch(9), Epoch(7)), P2: Ownership(S1, Epoch(4))}
    assert await store.replace_map(rebuilt, ENTRIES, version_min=40) == 41
    assert await owners(store) == (rebuilt[P0], FIRST.owners[1], rebuilt[P2])


async def test_history_and_notice_come_with_every_change(store: MapStore) -> None:
    heard = 0

    def hint() -> None:
        nonlocal heard
        heard += 1

    connection = await store.listen(hint)
    try:
        await seeded(store)
        await wait_until(lambda: heard == 1)
        await store.abort()
        await store.set_limits(MoveLimits(is_paused=True))
        await wait_until(lambda: heard == 2)
    finally:
        connection.terminate()
    assert [change.version for change in await store.history(1)] == [2]


async def test_plan_state_can_be_told(store: MapStore) -> None:
    await seeded(store)
    plan = await store.apply_plan(order((P0, S1, S2)))
    await store.update_plan_state(plan, "aborted")
    assert [record.state for record in await store.plans()] == ["aborted"]


async def test_cancelled_call_leaves_nothing_half_done(store: MapStore) -> None:
    await seeded(store)
    for turns in range(1, 12):
        call = asyncio.create_task(store.apply_plan(order((P0, S1, S2), version=await store.version())))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await store.abort()
    await told(store)
