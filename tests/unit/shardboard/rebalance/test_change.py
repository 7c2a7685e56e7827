"""What may be asked of a cluster, and what is refused; each refusal says why and with which exit code."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from contracts.exit_codes import ExitCode
from contracts.ids import ShardId
from contracts.moves import StoredMap
from shardboard.command_error import CommandError
from shardboard.rebalance import change
from shardboard.rebalance.change import Change, NewShard
from tests.support.clusters import S1, S2, S3, S4, S5, cluster, entry, moving, owner_of, with_entries

THREE = cluster(S1, S2, S3)
JOINED = cluster(S1, S2, S3, joined=(S4, S5))
URL = "redis://10.0.0.9:6379/0"


def targets(asked: Change) -> set[ShardId]:
    return {move.target for move in asked.moves}


def after(stored: StoredMap, asked: Change) -> Counter[ShardId]:
    held = {number: owner_of(stored, number).shard for number in range(64)}
    return Counter((held | {move.partition: move.target for move in asked.moves}).values())


def test_a_joined_shard_takes_its_share() -> None:
    asked = change.add(JOINED, [NewShard(S4)])
    assert targets(asked) == {S4}
    assert len(asked.moves) == 16
    assert (asked.joining, asked.weights, asked.words) == ((), {}, "add s4")
    assert S5 not in asked.members, "a shard that only joined gets nothing before it is named"


def test_a_shard_whose_worker_has_not_joined_is_made_known_by_the_plan() -> None:
    asked = change.add(THREE, [NewShard(S4, URL, 50), NewShard(S5, URL + "1")])
    assert [(e.shard, e.url, e.weight) for e in asked.joining] == [(S4, URL, 50), (S5, URL + "1", 100)]
    held = after(THREE, asked)
    assert (held[S4], held[S5]) == (7, 14)


def test_weight_of_a_joined_shard_is_changed_by_its_first_plan() -> None:
    asked = change.add(JOINED, [NewShard(S4, weight=200)])
    assert asked.weights == {S4: 200}
    assert after(JOINED, asked)[S4] == 26


def test_a_leaving_shard_may_be_added_again() -> None:
    stored = with_entries(THREE, entry(S4, is_leaving=True))
    assert change.add(stored, [NewShard(S4)]).staying == {S4}


def test_a_removed_shard_leaves_with_all_that_it_has() -> None:
    asked = change.remove(THREE, [S3])
    assert (set(asked.leaving), asked.kind) == ({S3}, "remove")
    assert after(THREE, asked)[S3] == 0
    assert len(asked.moves) == 24


def test_a_drained_shard_stays() -> None:
    asked = change.remove(THREE, [S3], is_for_good=False)
    assert (asked.leaving, asked.kind, asked.words) == (frozenset(), "drain", "drain s3")
    assert after(THREE, asked)[S3] == 0


def test_an_idle_shard_is_removed_without_a_move() -> None:
    asked = change.remove(JOINED, [S4])
    assert (asked.moves, set(asked.leaving)) == ((), {S4})
    assert change.remove(JOINED, [S4], is_for_good=False).is_empty


def test_a_heavier_shard_takes_and_a_lighter_one_gives() -> None:
    heavier = change.weigh(THREE, {S1: 200})
    assert targets(heavier) == {S1}
    assert after(THREE, heavier)[S1] == 32
    lighter = change.weigh(THREE, {S3: 50})
    assert {move.source for move in lighter.moves} == {S3}
    assert after(THREE, lighter)[S3] == 15, "its cap"
    assert change.weigh(THREE, {S1: 100}).is_empty


def test_a_new_shard_takes_the_place_and_the_weight_of_an_old_one() -> None:
    stored = with_entries(JOINED, entry(S2, 300))
    asked = change.replace(stored, S2, new=NewShard(S4))
    assert (dict(asked.weights), set(asked.leaving), targets(asked)) == ({S4: 300}, {S2}, {S4})
    assert {move.source for move in asked.moves} == {S2}
    assert len(asked.moves) == 22


def test_even_names_only_those_that_take_part() -> None:
    asked = change.even(JOINED)
    assert after(JOINED, asked) == {S1: 21, S2: 22, S3: 21}


def test_a_shard_under_way_to_its_first_partition_takes_part() -> None:
    assert change.members_of(moving(JOINED, 0, target=S4)) == {S1: 100, S2: 100, S3: 100, S4: 100}


REFUSED: list[tuple[str, Callable[[], Change], ExitCode, str]] = [
    ("unknown shard", lambda: change.remove(THREE, [S4]), ExitCode.USAGE, "s4: no such shard, there are s1, s2, s3"),
    ("unknown old", lambda: change.replace(THREE, S5, new=NewShard(S4, URL)), ExitCode.USAGE, "s5: no such shard"),
    ("unknown weight", lambda: change.weigh(THREE, {S5: 10}), ExitCode.USAGE, "s5: no such shard"),
    ("duplicate name", lambda: change.add(THREE, [NewShard(S2, URL)]), ExitCode.REFUSED, "s2 takes part already"),
    ("twice", lambda: change.add(THREE, [NewShard(S4, URL)] * 2), ExitCode.USAGE, "s4 is named twice"),
    ("removed twice", lambda: change.remove(THREE, [S2, S2]), ExitCode.USAGE, "s2 is named twice"),
    ("not joined", lambda: change.add(THREE, [NewShard(S4)]), ExitCode.REFUSED, "no worker of s4 has joined"),
    ("other address", lambda: change.add(JOINED, [NewShard(S4, URL)]), ExitCode.REFUSED, "has joined at redis://s4"),
    ("other's Redis", lambda: change.add(THREE, [NewShard(S4, "redis://s1:6379/0")]), ExitCode.REFUSED, "that of s1"),
    ("weight 0", lambda: change.weigh(THREE, {S1: 0}), ExitCode.USAGE, "weight 0 of s1: must be from 1 to 1,000,000"),
    ("weight -5", lambda: change.add(THREE, [NewShard(S4, URL, -5)]), ExitCode.USAGE, "weight -5 of s4"),
    ("weight of an idle one", lambda: change.weigh(JOINED, {S4: 50}), ExitCode.REFUSED, "s4 holds no partitions"),
    ("all", lambda: change.remove(THREE, [S1, S2, S3]), ExitCode.REFUSED, "no shard is left"),
    ("the last", lambda: change.remove(cluster(S1, joined=(S4,)), [S1]), ExitCode.REFUSED, "without s1 no shard"),
    ("drain the last", lambda: change.remove(cluster(S1), [S1], is_for_good=False), ExitCode.REFUSED, "without s1"),
    ("itself", lambda: change.replace(THREE, S1, new=NewShard(S1)), ExitCode.REFUSED, "s1 cannot replace itself"),
    ("by a member", lambda: change.replace(THREE, S1, new=NewShard(S2)), ExitCode.REFUSED, "s2 takes part already"),
    ("an idle one", lambda: change.replace(JOINED, S5, new=NewShard(S4)), ExitCode.REFUSED, "s5 holds no partitions"),
    (
        "under way",
        lambda: change.even(moving(THREE, 7, target=S1)),
        ExitCode.REFUSED,
        "1 partitions are on their way (7)",
    ),
    ("no map", lambda: change.even(replace(THREE, map=None)), ExitCode.REFUSED, "there is no shard map yet"),
]


@pytest.mark.parametrize(("ask", "code", "why"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_refused(ask: Callable[[], Change], code: ExitCode, why: str) -> None:
    with pytest.raises(CommandError) as refused:
        ask()
    assert refused.value.code is code
    assert why in str(refused.value)
