"""The first map: bounded, deterministic, and stable where consistent hashing promises it."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import ShardId
from partitioning.ring import caps_of, preferences, static_map

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
        cap = math.ceil(1.1 * partitions * weights[shard] / sum(weights.values()))
        assert len(shard_map.of_shard(shard)) <= cap == caps_of(partitions, weights)[shard]
    assert sum(len(shard_map.of_shard(shard)) for shard in shards) == partitions


def test_map_is_the_same_in_every_process_and_order() -> None:
    shard_map = static_map(64, SHARDS[:3])
    assert shard_map == static_map(64, list(reversed(SHARDS[:3])))
    assert (shard_map.version, {owner.epoch for owner in shard_map.owners}) == (1, {1})
    assert "".join(owner.shard[1] for owner in shard_map.owners) == GOLDEN_64_OVER_3


def test_partition_goes_to_its_first_preferred_shard_with_room() -> None:
    shard_map, weights = static_map(64, SHARDS[:5]), dict.fromkeys(SHARDS[:5], 1)
    caps = caps_of(64, weights)
    for partition, owner in enumerate(shard_map.owners):
        liked_more = preferences(partition, weights)[: preferences(partition, weights).index(owner.shard)]
        for shard in liked_more:
            assert sum(o.shard == shard for o in shard_map.owners[:partition]) == caps[shard]


def test_one_more_shard_leaves_most_preferences_alone() -> None:
    before = [preferences(p, dict.fromkeys(SHARDS[:4], 1))[0] for p in range(256)]
    after = [preferences(p, dict.fromkeys(SHARDS[:5], 1))[0] for p in range(256)]
    assert all(new in (old, SHARDS[4]) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("shards", "weights"),
    [([], None), ([SHARDS[0], SHARDS[0]], None), ([SHARDS[0]], {SHARDS[0]: 0})],
    ids=["none", "twice", "weight 0"],
)
def test_wrong_shards_are_refused(shards: list[ShardId], weights: dict[ShardId, int] | None) -> None:
    with pytest.raises(ValueError, match="must be"):
        static_map(8, shards, weights=weights)


GOLDEN_64_OVER_3 = "3233331123332233323333112112222323231123123322232311312111112221"
