"""What a change of the map means for one shard."""

from contracts.ids import Epoch, Partition, ShardId
from contracts.shard_map import Move, Ownership, ShardMap
from shard_worker.ownership import Right, change_of, rights_of

S1, S2 = ShardId("s1"), ShardId("s2")


def rights(*owners: Ownership) -> dict[Partition, Right]:
    return rights_of(ShardMap(1, owners), S1)


def test_rights_are_those_of_the_shard_alone() -> None:
    found = rights(Ownership(S1, Epoch(3), Epoch(2)), Ownership(S2, Epoch(1)), Ownership(S1, Epoch(1)))
    assert found == {0: Right(Epoch(3), Epoch(2)), 2: Right(Epoch(1), Epoch(1))}


def test_gained_and_lost_partitions_leave_the_others_alone() -> None:
    before = rights(Ownership(S1, Epoch(1)), Ownership(S1, Epoch(1)), Ownership(S2, Epoch(1)))
    after = rights(Ownership(S1, Epoch(1)), Ownership(S2, Epoch(2), Epoch(2)), Ownership(S1, Epoch(2), Epoch(2)))
    change = change_of(before, after)
    assert (sorted(change.let_go), sorted(change.take)) == ([1], [2])


def test_new_epoch_of_the_same_owner_is_a_new_claim() -> None:
    change = change_of(rights(Ownership(S1, Epoch(1))), rights(Ownership(S1, Epoch(3))))
    assert (sorted(change.let_go), sorted(change.take)) == ([0], [0])


def test_intended_move_changes_nothing_yet() -> None:
    before, after = rights(Ownership(S1, Epoch(1))), rights(Ownership(S1, Epoch(1), move=Move(Epoch(2), S2)))
    change = change_of(before, after)
    assert not change.let_go | change.take
