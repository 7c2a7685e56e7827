"""MergeState, law by law. That they suffice for exact boards is `test_merging_truth`'s matter."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, competition_ranks
from contracts.tops import GlobalTop, Position
from merger.merging import CATCHING_UP_S, MergeState
from tests.support.shard_tops import shard_top

ALL_TIME = PeriodId("all_time")
DAILY = PeriodId("daily:2026-11-24")


@pytest.fixture
def state() -> Iterator[MergeState]:
    state = MergeState()
    yield state
    state.check_invariants()


def publish(
    state: MergeState, shard: str, *, at: tuple[int, int], sequence: int, now_s: float = 0, **scores: int
) -> bool:
    """The shard publishes partition 0 at this place with these scores."""
    return state.on_shard_top(
        shard_top(shard, {0: at}, boards={ALL_TIME: scores}, sequence=sequence, log_ms=at[1]), now_s
    )


def users(state: MergeState, period: PeriodId = ALL_TIME) -> list[str]:
    return [row.user_id for row in state.merged(period).rows]


def place(state: MergeState, period: PeriodId = ALL_TIME) -> list[tuple[int, int]]:
    return [(position.epoch, position.next_offset) for position in state.positions(period)]


def board(period: PeriodId, epoch: int, *, offset: int, complete: bool = True, **scores: int) -> GlobalTop:
    rows = tuple(TopRow(UserId(user), score, LogMs(1), Partition(0)) for user, score in scores.items())
    return GlobalTop(
        period=period, version=1, positions=(Position(Partition(0), Epoch(epoch), Offset(offset), LogMs(offset)),),
        rows=rows, ranks=tuple(competition_ranks([row.score for row in rows])), complete=complete, as_of_ms=1,
        published_at_ms=1,
    )  # fmt: skip


def test_older_shard_top_is_ignored(state: MergeState) -> None:
    assert publish(state, "s1", at=(1, 2), sequence=5, ada=2)
    assert not publish(state, "s1", at=(1, 3), sequence=5, ada=3)
    assert not publish(state, "s1", at=(1, 9), sequence=4, ada=9)
    assert users(state) == ["ada"]
    assert place(state) == [(1, 2)]


def test_rows_count_from_the_newest_epoch_only(state: MergeState) -> None:
    """Although the former owner's copy is further in the log: two true prefixes may advance side by side."""
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    publish(state, "s2", at=(2, 5), sequence=1, ada=5)
    publish(state, "s1", at=(1, 9), sequence=2, ada=9)
    assert [row.score for row in state.merged(ALL_TIME).rows] == [5]
    assert place(state) == [(2, 5)]
    publish(state, "s2", at=(2, 6), sequence=2, ada=6)
    assert [row.score for row in state.merged(ALL_TIME).rows] == [6]
    assert not state.held


def test_rows_of_a_partition_that_moved_away_are_left_out_and_those_of_others_stay(state: MergeState) -> None:
    """The former owner does not know yet: it goes on publishing both of its partitions."""
    for sequence in (1, 2):
        both = shard_top("s1", {1: (1, 5), 0: (1, 5)}, boards={ALL_TIME: {"ada": 5 * sequence}}, sequence=sequence)
        state.on_shard_top(both, 0)
        state.on_shard_top(shard_top("s2", {1: (2, 5)}, boards={ALL_TIME: {"ada": 5}}, sequence=sequence), 0)
        assert [(row.user_id, row.score) for row in state.merged(ALL_TIME).rows] == [("ada", 5)]
    assert place(state) == [(1, 5), (2, 5)]


def test_floor_of_a_shard_whose_partitions_all_moved_hides_nothing(state: MergeState) -> None:
    state.on_shard_top(shard_top("s1", {0: (1, 5)}, boards={ALL_TIME: {"ada": 9}}, sequence=1, floor=9), 0)
    publish(state, "s2", at=(2, 5), sequence=1, ada=9, bob=1)
    assert users(state) == ["ada", "bob"]
    assert state.merged(ALL_TIME).complete


def test_partition_that_would_go_back_is_carried_until_it_is_where_it_was(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    publish(state, "s1", at=(1, 3), sequence=2, ada=3)
    assert ([row.score for row in state.merged(ALL_TIME).rows], place(state)) == ([5], [(1, 5)])
    assert state.positions(ALL_TIME)[0].is_catching_up
    publish(state, "s1", at=(1, 5), sequence=3, ada=5)
    assert not state.held
    assert not state.positions(ALL_TIME)[0].is_catching_up


def test_new_owner_behind_the_old_one_does_not_take_the_board_back(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    publish(state, "s2", at=(2, 4), sequence=1, ada=4)
    assert ([row.score for row in state.merged(ALL_TIME).rows], place(state)) == ([5], [(1, 5)])


def test_older_epoch_never_follows_a_newer_one(state: MergeState) -> None:
    """The newer owner's top is lost with it; what the former owner publishes is not shown in its place."""
    publish(state, "s2", at=(2, 5), sequence=1, ada=5)
    state.on_shard_top(shard_top("s2", {7: (2, 1)}, boards={}, sequence=2), 0)
    publish(state, "s1", at=(1, 8), sequence=1, ada=8)
    assert ([row.score for row in state.merged(ALL_TIME).rows], place(state)[0]) == ([5], (2, 5))


def test_partition_that_nobody_publishes_any_more_is_carried(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    state.on_shard_top(shard_top("s1", {1: (1, 1)}, boards={ALL_TIME: {"bob": 1}}, sequence=2), 0)
    assert users(state) == ["ada", "bob"]
    publish(state, "s2", at=(2, 5), sequence=1, ada=6)
    assert [row.score for row in state.merged(ALL_TIME).rows] == [6, 1]
    assert not state.held


def test_partition_that_catches_up_for_too_long_makes_its_shard_stale(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    publish(state, "s1", at=(1, 3), sequence=2, ada=3, now_s=100.0)
    assert state.stuck_shards(100.0 + CATCHING_UP_S) == set()
    assert state.stuck_shards(100.1 + CATCHING_UP_S) == {"s1"}
    publish(state, "s1", at=(1, 6), sequence=3, ada=6, now_s=200.0)
    assert state.stuck_shards(300.0) == set()


def test_written_board_is_carried_when_the_shards_are_behind_it(state: MergeState) -> None:
    publish(state, "s1", at=(1, 3), sequence=1, ada=3)
    state.on_written([board(ALL_TIME, 1, offset=5, ada=5, bob=2)], 0)
    assert (users(state), place(state)) == (["ada", "bob"], [(1, 5)])


def test_written_board_that_the_shards_have_passed_changes_nothing(state: MergeState) -> None:
    publish(state, "s1", at=(1, 7), sequence=1, ada=7)
    state.on_written([board(ALL_TIME, 1, offset=5, ada=5, bob=2)], 0)
    assert (users(state), place(state)) == (["ada"], [(1, 7)])


def test_carried_boards_stand_each_where_it_was_written(state: MergeState) -> None:
    state.on_written([board(ALL_TIME, 1, offset=5, ada=5), board(DAILY, 1, offset=4, ada=4)], 0)
    assert place(state, ALL_TIME) == [(1, 5)]
    assert place(state, DAILY) == [(1, 4)]


def test_board_that_was_never_written_claims_no_position_of_others(state: MergeState) -> None:
    state.on_written([board(ALL_TIME, 1, offset=5, ada=5)], 0)
    assert place(state, DAILY) == []


def test_incomplete_written_board_without_rows_vouches_for_nothing(state: MergeState) -> None:
    state.on_shard_top(shard_top("s1", {1: (1, 1)}, boards={ALL_TIME: {"bob": 1}}, sequence=1), 0)
    state.on_written([board(ALL_TIME, 1, offset=5, complete=False)], 0)
    assert users(state) == []
    assert not state.merged(ALL_TIME).complete


def test_shard_is_forgotten_only_when_it_speaks_for_no_partition(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    assert not state.forget_shard(ShardId("s1"))
    publish(state, "s2", at=(2, 5), sequence=1, ada=5)
    assert state.forget_shard(ShardId("s1"))
    assert set(state.shards) == {"s2"}


def test_advanced_partitions_are_dated_by_their_newest_log_time(state: MergeState) -> None:
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    assert state.advanced == {}
    publish(state, "s1", at=(1, 5), sequence=2, ada=5)
    assert state.advanced == {}
    publish(state, "s1", at=(1, 6), sequence=3, ada=6)
    assert state.advanced == {0: 6}


def test_shard_without_partitions_is_idle_as_soon_as_nothing_waits_for_it(state: MergeState) -> None:
    """A shard that joined, or that gave everything up, may fall silent; one whose rows are carried may not."""
    first = ShardId("s1")
    assert not state.is_idle(first), "nothing is known of it"
    publish(state, "s1", at=(1, 5), sequence=1, ada=5)
    assert not state.is_idle(first)
    nothing = replace(shard_top("s1", {0: (1, 5)}, boards={ALL_TIME: {}}, sequence=2), positions=(), boards=())
    state.on_shard_top(nothing, 0)
    assert users(state) == ["ada"]
    assert not state.is_idle(first)
    publish(state, "s2", at=(2, 5), sequence=1, ada=5)
    assert state.is_idle(first)
    assert not state.is_idle(ShardId("s2"))
