"""Each rule that a ShardTop must keep to be merged."""

import msgspec
import pytest

from contracts.ids import LogMs, Partition, ShardId, UserId
from contracts.ranking import TopRow
from contracts.tops import Floor, ShardTop
from merger.shard_top_check import fault_of
from tests.support.shard_tops import shard_top

S1 = ShardId("s1")


def good() -> ShardTop:
    return shard_top("s1", {0: (1, 5), 1: (1, 5)}, boards={"all_time": {"ada": 9, "bob": 7}}, sequence=1, floor=7)


def with_rows(*rows: tuple[str, int, int], floor: Floor | None = None) -> ShardTop:
    made = tuple(TopRow(UserId(user), score, LogMs(1), Partition(p)) for user, score, p in rows)
    top = good()
    return msgspec.structs.replace(top, boards=(msgspec.structs.replace(top.boards[0], rows=made, floor=floor),))


def test_good_top_has_no_fault() -> None:
    assert fault_of(good(), S1) is None
    assert fault_of(with_rows(), S1) is None


BOARD = good().boards[0]


@pytest.mark.parametrize(
    ("top", "reason"),
    [
        (msgspec.structs.replace(good(), shard=ShardId("s2")), "it names shard 's2'"),
        (msgspec.structs.replace(good(), positions=good().positions * 2), "a partition has two positions"),
        (msgspec.structs.replace(good(), boards=(BOARD, BOARD)), "board all_time is there twice"),
        (with_rows(("a", 5, 0), ("a", 4, 0)), "a user has two rows"),
        (with_rows(("a", 5, 8)), "a row's partition has no position"),
        (with_rows(("a", 4, 0), ("b", 5, 0)), "rows are not in board order"),
        (with_rows(("b", 5, 0), ("a", 5, 0)), "rows are not in board order"),
        (with_rows(("a", 2**53, 0)), "a score is not below 2^53"),
        (with_rows(("a", -(2**53), 0)), "a score is not below 2^53"),
        (with_rows(("\ud800", 5, 0)), "a user id is not valid Unicode"),
        (with_rows(("a", 5, 0), floor=Floor(6, LogMs(1), "")), "the floor stands above the last row"),
    ],
)
def test_fault_is_named(top: ShardTop, reason: str) -> None:
    assert (fault_of(top, S1) or "").endswith(reason)
