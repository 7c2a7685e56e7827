"""The map as the shards tell it: the newest epoch wins, what is doubtful is told and not decided."""

from contracts.exit_codes import ExitCode
from contracts.ids import Epoch, LogMs, Offset, Partition, ShardId
from contracts.moves import StoredMap
from contracts.progress import Progress, State
from contracts.shard_map import Move, Ownership, ShardMap
from shardboard.rebuild.choose import MapReport, RebuiltPartition, rebuild

S1, S2 = ShardId("s1"), ShardId("s2")
P = Partition(0)


def held(shard: ShardId, epoch: int, *, state: State = State.OWNED, fenced: bool = False) -> tuple[ShardId, Progress]:
    return shard, Progress(
        owner=shard, state=state, epoch=Epoch(epoch), fenced=fenced, writer="w", token="", chunks=0,
        next_offset=Offset(1), log_ms=LogMs(1), last=None, points=1, counted=1,
    )  # fmt: skip


def mapped(*owner: tuple[ShardId, int], version: int = 1, move: Move | None = None) -> StoredMap:
    """A map of one partition, or none."""
    owners = tuple(Ownership(shard, Epoch(epoch), move=move) for shard, epoch in owner)
    return StoredMap(version=version, map=ShardMap(version, owners) if owners else None, shards=())


def only(
    *holders: tuple[ShardId, Progress], stored: tuple[ShardId, int] | None = None, known: StoredMap | None = None
) -> RebuiltPartition:
    before = mapped() if stored is None else mapped(stored)
    (row,) = rebuild(1, {P: holders}, stored=before, known=known).partitions
    return row


def test_newest_epoch_wins() -> None:
    row = only(held(S1, 3), held(S2, 4))
    assert (row.finding, row.owner, row.epoch, row.others) == ("new", "s2", 4, ("s1@3:owned",))
    assert row.since == 4, "an older state there is a leftover"


def test_whole_state_beats_one_being_made_and_one_given_away() -> None:
    assert only(held(S1, 4, state=State.COPYING), held(S2, 4)).owner == "s2"
    row = only(held(S1, 4, fenced=True), held(S2, 4))
    assert (row.finding, row.owner, row.epoch) == ("new", "s2", 4)


def test_fence_of_a_lost_move_is_lifted_by_a_newer_epoch() -> None:
    row = only(held(S1, 4, fenced=True), held(S2, 4, state=State.COPYING))
    assert (row.finding, row.owner, row.epoch, row.since) == ("new", "s1", 5, 4)


def test_epochs_that_were_drawn_for_moves_are_not_drawn_again() -> None:
    """A mover may still come with the epoch of the move that was only intended."""
    known = mapped((S1, 3), version=9, move=Move(Epoch(4), S2))
    row = only(held(S1, 3), known=known)
    assert (row.finding, row.owner, row.epoch, row.since) == ("new", "s1", 5, 3)
    assert only(held(S1, 3), known=mapped((S1, 3))).epoch == 3


def test_map_that_is_right_but_older_than_the_shards_know_is_raised() -> None:
    report = rebuild(1, {P: [held(S1, 3)]}, stored=mapped((S1, 3), version=2), known=mapped((S1, 3), version=9))
    assert (report.changes, report.is_behind, report.exit_code) == ((), True, ExitCode.DIFFERENT)


def test_two_whole_states_at_one_epoch_are_a_conflict() -> None:
    assert only(held(S1, 4), held(S2, 4)).finding == "conflict"


def test_postgres_is_compared() -> None:
    assert only(held(S1, 4), stored=(S1, 4)).finding == "same"
    assert only(held(S1, 4), stored=(S2, 3)).finding == "changed"
    assert only(held(S1, 4), stored=(S1, 5)).finding == "newer_in_postgres"
    assert only(held(S1, 4), stored=(S2, 4)).finding == "conflict"
    assert only(stored=(S2, 4)).finding == "same"
    assert only().finding == "missing"


def test_exit_code_says_whether_somebody_must_look() -> None:
    new = rebuild(1, {P: [held(S1, 4)]}, stored=mapped())
    assert (new.exit_code, len(new.changes)) == (ExitCode.DIFFERENT, 1)
    assert MapReport(partitions=new.partitions, applied=True).exit_code is ExitCode.OK
    assert rebuild(1, {P: [held(S1, 4)]}, stored=mapped((S1, 4))).exit_code is ExitCode.NOTHING_TO_DO
    assert rebuild(2, {P: [held(S1, 4)]}, stored=mapped()).exit_code is ExitCode.REFUSED
