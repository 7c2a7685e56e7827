"""A shard map says which partitions a shard owns, and at which epoch."""

from contracts.ids import Epoch, ShardId
from contracts.shard_map import Ownership, ShardMap


def test_a_shard_knows_its_partitions_and_their_epochs() -> None:
    first, second = ShardId("s1"), ShardId("s2")
    owners = (Ownership(first, Epoch(1)), Ownership(second, Epoch(1)), Ownership(first, Epoch(4)))
    shard_map = ShardMap(version=2, owners=owners)
    assert shard_map.partitions == 3
    assert shard_map.of_shard(first) == {0: 1, 2: 4}
    assert shard_map.of_shard(second) == {1: 1}
    assert shard_map.of_shard(ShardId("s3")) == {}
