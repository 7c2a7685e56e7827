"""The planner's laws on random clusters: caps hold, as little moves as can, nothing moves between bystanders."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import Epoch, Partition, ShardId
from contracts.shard_map import Move, Ownership, ShardMap
from partitioning.plan import PlannedMove, plan_even, plan_moves, plan_replace, share_of
from partitioning.ring import caps_of, static_map

SHARDS = [ShardId(f"s{n}") for n in range(1, 66)]
NEW = ShardId("newcomer")
Weights = Mapping[ShardId, int]


def after(shard_map: ShardMap, moves: Iterable[PlannedMove]) -> ShardMap:
    """The map once all moves are done. A move must say what is so."""
    owners = list(shard_map.owners)
    for move in moves:
        assert owners[move.partition].shard == move.source != move.target
        assert move.reason
        owners[move.partition] = Ownership(move.target, Epoch(owners[move.partition].epoch + 1))
    return ShardMap(shard_map.version + 1, tuple(owners))


def counts(shard_map: ShardMap) -> Counter[ShardId]:
    return Counter(owner.shard for owner in shard_map.owners)


def over_caps(shard_map: ShardMap, weights: Weights) -> int:
    """How many partitions stand above the caps: so many must move, whoever plans."""
    caps = caps_of(shard_map.partitions, weights)
    return sum(max(0, count - caps[shard]) for shard, count in counts(shard_map).items() if shard in caps)


def assert_caps(shard_map: ShardMap, weights: Weights) -> None:
    caps = caps_of(shard_map.partitions, weights)
    assert all(count <= caps[shard] for shard, count in counts(shard_map).items())


partition_counts = st.sampled_from([1, 7, 64, 256])
weight = st.integers(1, 400)


@st.composite
def clusters(draw: st.DrawFn, shards_min: int = 1) -> tuple[ShardMap, dict[ShardId, int]]:
    """A cluster as a few years leave it: a first map, then some changes, each by the planner."""
    partitions = draw(partition_counts)
    names = SHARDS[: draw(st.integers(shards_min, 12))]
    is_even = draw(st.booleans())
    weights = {name: 100 if is_even else draw(weight) for name in names}
    shard_map = static_map(partitions, names, weights=weights)
    for name in SHARDS[20 : 20 + draw(st.integers(0, 3))]:
        leaving = draw(st.sampled_from(sorted(weights)))
        if draw(st.booleans()) and len(weights) > max(1, shards_min):
            del weights[leaving]
        weights[name] = draw(weight)
        shard_map = after(shard_map, plan_moves(shard_map, weights))
    return shard_map, weights


@settings(deadline=None)
@given(cluster=clusters(), new_weight=weight)
def test_a_new_shard_gets_its_share_and_nothing_else_moves(
    cluster: tuple[ShardMap, dict[ShardId, int]], new_weight: int
) -> None:
    shard_map, weights = cluster
    wanted = {**weights, NEW: new_weight}
    moves = plan_moves(shard_map, wanted, takers=[NEW])
    ended = after(shard_map, moves)
    assert_caps(ended, wanted)
    forced = over_caps(shard_map, wanted)
    minimum = max(forced, shard_map.partitions * new_weight // sum(wanted.values()))
    assert len(moves) <= minimum + 1
    between = sum(move.target != NEW for move in moves)
    assert between == 0 or counts(ended)[NEW] == caps_of(shard_map.partitions, wanted)[NEW]
    assert between <= forced
    assert counts(ended)[NEW] >= share_of(shard_map.partitions, NEW, weights=wanted)


@settings(deadline=None)
@given(cluster=clusters(shards_min=2), data=st.data())
def test_of_a_leaving_shard_exactly_its_own_partitions_move(
    cluster: tuple[ShardMap, dict[ShardId, int]], data: st.DataObject
) -> None:
    shard_map, weights = cluster
    leaving = data.draw(st.sampled_from(sorted(weights)))
    wanted = {shard: value for shard, value in weights.items() if shard != leaving}
    moves = plan_moves(shard_map, wanted, takers=[])
    ended = after(shard_map, moves)
    assert_caps(ended, wanted)
    assert {move.partition for move in moves} == set(shard_map.of_shard(leaving))
    assert counts(ended)[leaving] == 0


@settings(deadline=None)
@given(cluster=clusters(), data=st.data())
def test_of_a_new_weight_only_that_shard_and_the_caps_are_moved(
    cluster: tuple[ShardMap, dict[ShardId, int]], data: st.DataObject
) -> None:
    shard_map, weights = cluster
    changed = data.draw(st.sampled_from(sorted(weights)))
    wanted = {**weights, changed: data.draw(weight)}
    is_raised = wanted[changed] > weights[changed]
    moves = plan_moves(shard_map, wanted, takers=[changed] if is_raised else [])
    ended = after(shard_map, moves)
    assert_caps(ended, wanted)
    forced = over_caps(shard_map, wanted)
    lacking = share_of(shard_map.partitions, changed, weights=wanted) - counts(shard_map)[changed]
    assert len(moves) <= max(forced, lacking if is_raised else 0)
    assert sum(changed not in (move.source, move.target) for move in moves) <= forced


@settings(deadline=None)
@given(cluster=clusters(), data=st.data())
def test_even_gives_every_shard_its_share_with_the_fewest_moves(
    cluster: tuple[ShardMap, dict[ShardId, int]], data: st.DataObject
) -> None:
    shard_map, weights = cluster
    if data.draw(st.booleans()):
        weights = {**weights, NEW: data.draw(weight)}
    moves = plan_even(shard_map, weights)
    ended, total = after(shard_map, moves), sum(weights.values())
    for shard, value in weights.items():
        share = shard_map.partitions * value
        assert share // total <= counts(ended)[shard] <= -(-share // total)
    surplus = sum(max(0, counts(shard_map)[s] - -(-shard_map.partitions * w // total)) for s, w in weights.items())
    lacking = sum(max(0, shard_map.partitions * w // total - counts(shard_map)[s]) for s, w in weights.items())
    assert len(moves) == max(surplus, lacking)
    assert plan_even(ended, weights) == ()


@settings(deadline=None)
@given(cluster=clusters(shards_min=2), data=st.data())
def test_one_shard_takes_the_place_of_another(
    cluster: tuple[ShardMap, dict[ShardId, int]], data: st.DataObject
) -> None:
    shard_map, weights = cluster
    old = data.draw(st.sampled_from(sorted(weights)))
    ended = after(shard_map, plan_replace(shard_map, old, new=NEW))
    assert set(ended.of_shard(NEW)) == set(shard_map.of_shard(old))
    assert all(
        now.shard == before.shard
        for now, before in zip(ended.owners, shard_map.owners, strict=True)
        if before.shard != old
    )


@settings(deadline=None)
@given(cluster=clusters())
def test_what_fits_stays(cluster: tuple[ShardMap, dict[ShardId, int]]) -> None:
    shard_map, weights = cluster
    holders = {shard: value for shard, value in weights.items() if counts(shard_map)[shard]}
    assert plan_moves(shard_map, holders) == () or over_caps(shard_map, holders)


def test_a_new_shard_takes_the_partitions_that_prefer_it_from_those_above_their_share() -> None:
    shard_map = static_map(64, SHARDS[:3])
    weights = dict.fromkeys(SHARDS[:4], 100)
    moves = plan_moves(shard_map, weights)
    assert len(moves) == 16
    assert {move.target for move in moves} == {SHARDS[3]}
    first = [move for move in moves if "1st choice" in move.reason]
    assert len(first) == 12, "the rest are those that prefer it second"
    assert counts(shard_map) == {SHARDS[0]: 18, SHARDS[1]: 22, SHARDS[2]: 24}
    assert [move.reason for move in moves[:2]] == [
        "s4 takes its share of 16; s3 has 18, above its own; s4 is its 2nd choice",
        "s3 has 24, its cap is 18; s4 is its 1st choice",
    ]


def test_the_plan_is_the_same_in_every_process() -> None:
    shard_map = static_map(256, SHARDS[:5])
    added = plan_moves(shard_map, dict.fromkeys(SHARDS[:6], 100))
    told = "\n".join(f"{m.partition} {m.source} {m.target} {m.reason}" for m in added)
    assert hashlib.sha256(told.encode()).hexdigest() == GOLDEN_5_TO_6


def test_reason_of_a_leaving_shards_partition_names_the_choice() -> None:
    shard_map = static_map(64, SHARDS[:3])
    rest = SHARDS[1:3]
    reasons = {move.reason for move in plan_moves(shard_map, dict.fromkeys(rest, 100))}
    assert any(reason.startswith("s1 gives up its partitions; s") for reason in reasons)


def test_a_partition_on_its_way_counts_where_it_goes_and_is_left_alone() -> None:
    shard_map = static_map(64, SHARDS[:3])
    weights = dict.fromkeys(SHARDS[:4], 100)
    under_way = plan_moves(shard_map, weights)[:10]
    owners = list(shard_map.owners)
    for move in under_way:
        owners[move.partition] = Ownership(move.source, Epoch(1), move=Move(Epoch(2), move.target))
    rest = plan_moves(ShardMap(2, tuple(owners)), weights, takers=[SHARDS[3]])
    assert len(rest) == 6
    assert not {move.partition for move in rest} & {move.partition for move in under_way}
    assert plan_replace(ShardMap(2, tuple(owners)), under_way[0].source, new=NEW) == tuple(
        PlannedMove(Partition(p), under_way[0].source, NEW, f"{NEW} takes the place of {under_way[0].source}")
        for p in sorted(shard_map.of_shard(under_way[0].source))
        if p not in {move.partition for move in under_way}
    )


@pytest.mark.parametrize("weights", [{}, {SHARDS[0]: 0}, {SHARDS[0]: -1}, {SHARDS[0]: True}], ids=str)
def test_wrong_shards_are_refused(weights: dict[ShardId, int]) -> None:
    for plan in (plan_moves, plan_even):
        with pytest.raises(ValueError, match="must be"):
            plan(static_map(8, SHARDS[:1]), weights)


GOLDEN_5_TO_6 = "606ab69e157ce4a15bad240bd1c8f78f824772373a4b57b2d79e2ecc2ddc3a1d"
