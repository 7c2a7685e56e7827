"""The map with what belongs to it, as shards keep it, and what may follow it."""

from dataclasses import replace

import msgspec
import pytest

from contracts.ids import Epoch, ShardId
from contracts.moves import MoveLimits, StoredMap, decode_stored_map, encode_stored_map, went_back
from contracts.shard_map import Move, Ownership, ShardEntry, ShardMap

S1, S2 = ShardId("s1"), ShardId("s2")
KNOWN = StoredMap(
    version=7,
    map=ShardMap(7, (Ownership(S1, Epoch(3), Epoch(2), Move(Epoch(4), S2), (S2,)), Ownership(S2, Epoch(1)))),
    shards=(ShardEntry(S1, "redis://a/0", 100), ShardEntry(S2, "redis://b/0", 50, is_leaving=True)),
    limits=MoveLimits(is_paused=True, moves_at_once=3, users_per_s_max=9),
)


def later(version: int, *owners: Ownership) -> StoredMap:
    return replace(KNOWN, version=version, map=ShardMap(version, owners))


def test_kept_map_is_read_as_it_was_written() -> None:
    assert decode_stored_map(encode_stored_map(KNOWN)) == KNOWN
    nothing = StoredMap(version=0, map=None, shards=())
    assert decode_stored_map(encode_stored_map(nothing)) == nothing
    with pytest.raises(msgspec.MsgspecError):
        decode_stored_map(b'{"version":1}')


def test_who_leaves_is_asked_as_long_as_partitions_are_or_go_there() -> None:
    both, first = KNOWN.shards, KNOWN.shards[:1]
    assert KNOWN.serving == both, "s2 owns one, and receives one"
    assert later(8, Ownership(S1, Epoch(3), move=Move(Epoch(4), S2))).serving == both
    assert later(8, Ownership(S1, Epoch(5), forget=(S2,))).serving == first
    assert StoredMap(version=0, map=None, shards=first).serving == first


def test_any_map_may_follow_none() -> None:
    assert went_back(None, KNOWN) is None
    assert went_back(StoredMap(version=9, map=None, shards=()), KNOWN) is None
    assert went_back(KNOWN, KNOWN) is None


def test_newer_map_may_follow() -> None:
    first, second = Ownership(S2, Epoch(4), Epoch(4)), Ownership(S2, Epoch(1))
    assert went_back(KNOWN, later(8, first, second)) is None
    assert went_back(KNOWN, later(8, replace(first, epoch=Epoch(5)), second)) is None


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (StoredMap(version=9, map=None, shards=()), "has no shard map, version 7"),
        (replace(KNOWN, version=6), "is at version 6, 7 is known"),
        (later(8, Ownership(S2, Epoch(4))), "has 1 partitions, not 2"),
        (later(7, Ownership(S2, Epoch(4)), Ownership(S2, Epoch(1))), r"another one than is known here \(partition 0\)"),
        (later(8, Ownership(S1, Epoch(3)), Ownership(S2, Epoch(1))), r"\(partition 0\)"),
        (later(8, Ownership(S1, Epoch(5)), Ownership(S2, Epoch(0))), r"\(partition 1\)"),
        (later(8, Ownership(S1, Epoch(2), move=Move(Epoch(5), S2)), Ownership(S2, Epoch(1))), r"\(partition 0\)"),
    ],
)
def test_older_or_other_map_may_not(found: StoredMap, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(went_back(KNOWN, found))
