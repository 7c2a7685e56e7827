"""The first map: bounded, deterministic, and stable where consistent hashing promises it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import ShardId
from partitioning.ring import caps_of, preference_lists, preferences, static_map

SHARDS = [ShardId(f"s{n}") for n in range(1, 33)]


@settings(deadline=None)
@given(partitions=st.integers(1, 100), count=st.integers(1, 8), data=st.data())
def test_no_shard_is_above_its_cap_and_all_partitions_have_an_owner(
    partitions: int, count: int, data: st.DataObject
) -> None:
    shards = SHARDS[:count]
    weights = {shard: data.draw(st.integers(1, 5)) for shard in shards}
    shard_map = static_map(partitions, shards, weights=weights)
    assert shard_map.partitions == partitions
    for shard in shards:
        cap = caps_of(partitions, weights)[shard]
        assert len(shard_map.of_shard(shard)) <= cap
        assert 10 * cap * sum(weights.values()) >= 11 * partitions * weights[shard]
        assert 10 * (cap - 1) * sum(weights.values()) < 11 * partitions * weights[shard]
    assert sum(len(shard_map.of_shard(shard)) for shard in shards) == partitions


def test_map_is_the_same_in_every_process_and_order() -> None:
    shard_map = static_map(64, SHARDS[:3])
    assert shard_map == static_map(64, list(reversed(SHARDS[:3])))
    assert (shard_map.version, {owner.epoch for owner in shard_map.owners}) == (1, {1})
    assert "".join(owner.shard[1] for owner in shard_map.owners) == GOLDEN_64_OVER_3


def test_partition_goes_to_its_first_preferred_shard_with_room() -> None:
    shard_map, caps = static_map(64, SHARDS[:5]), caps_of(64, dict.fromkeys(SHARDS[:5], 1))
    for partition, owner in enumerate(shard_map.owners):
        liked = preferences(partition, SHARDS[:5])
        for shard in liked[: liked.index(owner.shard)]:
            assert sum(o.shard == shard for o in shard_map.owners[:partition]) == caps[shard]


def test_one_more_shard_leaves_the_order_of_the_others_alone() -> None:
    before = preference_lists(256, tuple(SHARDS[:4]))
    after = preference_lists(256, tuple(SHARDS[:5]))
    assert [tuple(s for s in liked if s != SHARDS[4]) for liked in after] == list(before)
    assert sum(liked[0] == SHARDS[4] for liked in after) > 256 // 10, "the new shard is nobody's first choice"


def test_lists_are_those_of_each_partition() -> None:
    lists = preference_lists(32, tuple(SHARDS[:7]))
    assert lists == tuple(preferences(p, list(reversed(SHARDS[:7]))) for p in range(32))
    assert all(sorted(liked) == SHARDS[:7] for liked in lists)


def test_a_cap_has_no_error_of_rounding() -> None:
    assert caps_of(20, dict.fromkeys(SHARDS[:2], 1)) == dict.fromkeys(SHARDS[:2], 11)  # 1.1 × 20 / 2 is above 11


@pytest.mark.parametrize(
    ("shards", "weights"),
    [([], None), ([SHARDS[0], SHARDS[0]], None), ([SHARDS[0]], {SHARDS[0]: 0})],
    ids=["none", "twice", "weight 0"],
)
def test_wrong_shards_are_refused(shards: list[ShardId], weights: dict[ShardId, int] | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        static_map(8, shards, weights=weights)


GOLDEN_64_OVER_3 = "3233331123332233323333112112222323231123123322232311312111112221"
