"""The handover of a partition: its table, what it is told to do by both servers, and random histories of it beside
everything that can go wrong. Without any one of the servers' rules the same search finds a history that is untrue."""

import random
from collections import Counter
from dataclasses import replace
from typing import Final

import pytest

from contracts.ids import Epoch, LogMs, Offset, Partition, ShardId
from contracts.moves import MoveLimits, MovePhase, MoveReport, StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap
from shard_worker.move_steps import (
    PHASES,
    SILENT_S,
    SOURCE_PATIENCE_MS,
    STEPS,
    Away,
    Event,
    Handover,
    ImpossibleMove,
    Leftover,
    Line,
    Order,
    Step,
    due,
    is_switched,
    is_wanted,
    leftovers_of,
    look,
    orders_of,
    strays_of,
)
from tests.support.move_history import FAULTS, History, Untrue
from tests.support.move_world import FakeMap, FakeWorld

HISTORIES: Final = 400
SEARCHED_MAX: Final = 3_000
S1, S2, S3 = ShardId("s1"), ShardId("s2"), ShardId("s3")
ORDER: Final = Order(Partition(1), S1, S2, Epoch(5), Epoch(3))


def progress(epoch: int, *, state: State = State.OWNED, fenced: bool = False) -> Progress:
    return Progress("s1", state, Epoch(epoch), fenced, "", "", 0, Offset(0), LogMs(0), None, 0, 0)


async def test_histories_are_true_whatever_happens() -> None:
    """All kinds of steps happen in them, and every way to end them."""
    hits: Counter[str] = Counter()
    for seed in range(HISTORIES):
        history = History(FakeWorld(), FakeMap(), seed=seed)
        try:
            await history.run()
        except Untrue as error:
            pytest.fail(f"seed {seed}: {error}\n" + "\n".join(history.trace))
        hits += history.hits
    rare = {kind for kind in ("switched", "over", "applied", "restored", "restore refused", "forgotten", "went back",
                              "looking: found own", "looking: held", "verifying: differs", "copying: refused",
                              "owning: refused", "asking: done", "asking: intended", "writing: refused",
                              "not forgotten", "wiping: refused") if hits[kind] < 3}  # fmt: skip
    assert not rare, hits


@pytest.mark.parametrize(
    ("rules", "faults"),
    [
        (("read wants the token", "compare wants the token"), ("go back",)),
        (("write wants the token", "write counts", "own wants the token", "own counts"), ("freeze",)),
        (("own counts",), ("go back",)),
        (("wipe refuses what is owned",), tuple(FAULTS)),
        (("wipe empties",), tuple(FAULTS)),
        (("forget refuses newer",), tuple(FAULTS)),
        (("switch compares",), tuple(FAULTS)),
    ],
)
async def test_servers_rules_are_needed(rules: tuple[str, ...], faults: tuple[str, ...]) -> None:
    """Some stand behind one another: they are taken away together."""
    for seed in range(SEARCHED_MAX):
        try:
            await History(FakeWorld(rules), FakeMap(rules), seed=seed, faults=faults).run(20 + seed % 150)
        except Untrue:
            return
    pytest.fail(f"nothing untrue was found in {SEARCHED_MAX} histories")


@pytest.mark.parametrize("seed", range(50))
def test_random_events_end_a_handover_only_when_it_is_whole(seed: int) -> None:
    """Each event is a move of the table or raises; the invariants are checked at each."""
    rng, handover = random.Random(seed), Handover()
    for _ in range(300):
        event = rng.choice(list(Event))
        if (handover.step, event) not in STEPS:
            with pytest.raises(ImpossibleMove):
                handover.after(event)
            continue
        handover = handover.after(event, chunks=rng.randint(0, 3) if handover.step is Step.COPYING else 0)
        if handover.is_over:
            handover = Handover()


def test_every_step_that_writes_can_be_refused_and_can_fail() -> None:
    for step in (Step.WIPING, Step.COPYING, Step.VERIFYING, Step.CLEARING, Step.WRITING, Step.OWNING):
        assert STEPS[step, Event.REFUSED] is STEPS[step, Event.FAILED] is Step.LOOKING
    assert set(PHASES) == set(Step) - {Step.OVER}


def test_chunks_and_attempts_are_those_of_this_wipe() -> None:
    handover = Handover().after(Event.FOUND_SOURCE).after(Event.DONE).after(Event.DONE)
    handover = handover.after(Event.DONE, chunks=4).after(Event.DONE, chunks=3)
    assert (handover.chunks, handover.attempts) == (7, 1)
    handover = handover.after(Event.REFUSED).after(Event.FOUND_SOURCE).after(Event.DONE)
    assert (handover.chunks, handover.attempts) == (0, 2)


def test_final_state_in_the_target_goes_straight_to_the_switch() -> None:
    assert look(ORDER, target=progress(5), source=Away(10**6), is_paused=True) is Event.FOUND_OWN
    assert look(ORDER, target=progress(4), source=progress(4), is_paused=False) is Event.FOUND_SOURCE
    copying = progress(5, state=State.COPYING)
    assert look(ORDER, target=copying, source=progress(5, fenced=True), is_paused=False) is Event.FOUND_SOURCE


def test_newer_epoch_on_either_side_ends_the_handover() -> None:
    assert look(ORDER, target=progress(6), source=progress(3), is_paused=False) is Event.NEWER
    assert look(ORDER, target=None, source=progress(6), is_paused=True) is Event.NEWER


def test_source_without_a_state_of_its_ownership_has_nothing() -> None:
    for source in (None, progress(2), progress(4, state=State.RESTORING)):
        assert look(ORDER, target=None, source=source, is_paused=False) is Event.FOUND_NOTHING
    assert look(ORDER, target=None, source=progress(3), is_paused=False) is Event.FOUND_SOURCE


def test_silent_source_is_given_up_only_after_a_while() -> None:
    assert look(ORDER, target=None, source=Away(SOURCE_PATIENCE_MS - 1), is_paused=False) is Event.HELD
    assert look(ORDER, target=None, source=Away(SOURCE_PATIENCE_MS), is_paused=False) is Event.FOUND_NOTHING


def test_pause_holds_what_is_not_fenced_and_ends_what_is() -> None:
    for source in (None, progress(3), progress(4, fenced=True), progress(5), Away(10**6)):
        assert look(ORDER, target=None, source=source, is_paused=True) is Event.HELD
    assert look(ORDER, target=None, source=progress(5, fenced=True), is_paused=True) is Event.FOUND_SOURCE


def stored(*owners: Ownership, at_once: int = 2) -> StoredMap:
    entries = tuple(ShardEntry(shard, "", 100) for shard in (S1, S2, S3))
    return StoredMap(9, ShardMap(9, owners), entries, MoveLimits(moves_at_once=at_once))


def test_limit_counts_the_moves_of_all_shards() -> None:
    rest = Ownership(S1, Epoch(1))
    to_s2, to_s3 = replace(rest, move=Move(Epoch(2), S2)), replace(rest, move=Move(Epoch(2), S3))
    at_work = stored(rest, to_s3, to_s2, to_s2, at_once=2)
    assert [order.partition for order in due(at_work, S2)] == [2]
    assert [order.partition for order in due(at_work, S3)] == [1]
    assert sorted(orders_of(at_work, S2)) == [2, 3]
    assert due(replace(at_work, map=None), S2) == []


def told(*changed_ms: int) -> list[MoveReport]:
    """Of partition 0, 1, …"""
    return [
        MoveReport(
            partition=Partition(p),
            move_epoch=Epoch(2),
            source=S1,
            target=S2,
            phase=MovePhase.COPYING,
            begun_ms=0,
            changed_ms=at,
        )
        for p, at in enumerate(changed_ms)
    ]


def test_moves_of_which_nothing_is_heard_take_nobodys_place() -> None:
    """By what one worker hears and its own clock; the tellers' clocks only have to go on."""
    move_to = [replace(Ownership(S1, Epoch(1)), move=Move(Epoch(2), shard)) for shard in (S2, S2, S3, S3)]
    at_work, line = stored(*move_to, at_once=1), Line()

    def of_s3() -> list[int]:
        return [order.partition for order in due(at_work, S3, silent=line.silent(now_s))]

    now_s = 0.0
    line = line.after(at_work, told(500, 500), now_s=now_s)
    now_s = SILENT_S - 1
    line = line.after(at_work, told(600, 500), now_s=now_s)
    assert of_s3() == [], "the first one was heard"
    now_s = 2 * SILENT_S - 1
    assert line.silent(now_s) == [0]
    line = line.after(at_work, told(600, 500), now_s=now_s)
    assert of_s3() == [], "the second one has the whole while"
    now_s += SILENT_S
    line = line.after(at_work, told(600, 500), now_s=now_s)
    assert (line.silent(now_s), of_s3()) == ([0, 1], [2])
    line = line.after(at_work, told(700, 500), now_s=now_s)
    assert (line.silent(now_s), of_s3()) == ([1], []), "it is back, and counts again"
    assert [order.partition for order in due(at_work, S2, silent=[Partition(0), Partition(1)])] == [0], (
        "nobody is silent to itself"
    )
    over = stored(Ownership(S2, Epoch(2)), *move_to[1:], at_once=1)
    assert 0 not in line.after(over, told(700, 500), now_s=now_s).heard


def test_order_is_wanted_until_the_map_says_otherwise() -> None:
    moving = Ownership(S1, Epoch(4), Epoch(3), Move(Epoch(5), S2))
    rest = Ownership(S3, Epoch(1))
    assert is_wanted(ORDER, stored(rest, moving))
    for other in (
        replace(moving, move=None, epoch=Epoch(6)),
        replace(moving, move=Move(Epoch(7), S2)),
        replace(moving, move=Move(Epoch(5), S3)),
        Ownership(S2, Epoch(5), Epoch(5)),
    ):
        assert not is_wanted(ORDER, stored(rest, other))
        assert is_switched(ORDER, stored(rest, other)) == (other.shard == S2)


def test_leftovers_are_the_owners_to_remove() -> None:
    kept = stored(Ownership(S2, Epoch(7), Epoch(5), None, (S1, S3)), Ownership(S1, Epoch(4), Epoch(3), None, (S2,)))
    assert leftovers_of(kept, S2) == [Leftover(Partition(0), S1, Epoch(7)), Leftover(Partition(0), S3, Epoch(7))]
    assert leftovers_of(kept, S3) == []
    assert strays_of(kept, S3) == [Leftover(Partition(0), S3, Epoch(7)), Leftover(Partition(1), S3, Epoch(4))]
    assert strays_of(kept, S1) == [Leftover(Partition(0), S1, Epoch(7))]
    assert strays_of(stored(Ownership(S1, Epoch(4), Epoch(3), Move(Epoch(5), S2))), S2) == []
