"""Which shards run again, by the map that the last plan left."""

import pytest

from contracts.ids import Epoch, ShardId
from contracts.moves import StoredMap
from contracts.shard_map import Ownership, ShardEntry, ShardMap
from shardboard.command_error import CommandError
from shardboard.supervisor.shards_of_map import ShardsOfMap


def stored(*names: str) -> StoredMap:
    owners = (Ownership(ShardId(names[0]), Epoch(1)),)
    entries = tuple(ShardEntry(ShardId(name), f"redis://{name}/0", 100) for name in names)
    return StoredMap(version=1, map=ShardMap(1, owners), shards=entries)


def test_shard_that_left_the_map_is_left_out_and_a_new_one_is_not() -> None:
    known = ShardsOfMap(known=("s1", "s2", "s3"))
    assert known.left(("s1", "s2", "s3", "s4"), stored("s1", "s3")) == ("s1", "s3", "s4")


@pytest.mark.parametrize("found", [None, StoredMap(version=0, map=None, shards=())])
def test_without_a_map_all_run(found: StoredMap | None) -> None:
    assert ShardsOfMap(known=("s1", "s2")).left(("s1", "s2"), found) == ("s1", "s2")


def test_fewer_are_enough_only_when_the_others_have_left() -> None:
    known = ("s1", "s2", "s3")
    assert ShardsOfMap(known=known, asked=2).left(known, stored("s1", "s2")) == ("s1", "s2")
    with pytest.raises(CommandError, match="--shards 2: s1, s2, s3 have partitions, or may get some"):
        ShardsOfMap(known=known, asked=2).left(known, stored("s1", "s2", "s3"))
    with pytest.raises(CommandError):
        ShardsOfMap(known=known, asked=2).left(known, None)
