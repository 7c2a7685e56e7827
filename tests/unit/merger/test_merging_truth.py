"""Whatever shards do, every merged board is an exact prefix of the truth at its own positions, and never goes back.

The truth: a partition's rows are a function of its log and an offset. A board with positions {p: offset} must be the
best rows of the union of those states. Shards apply, move, lose their tail, publish late and out of order; mergers
restart from the board they wrote. (`m4` of the protocol's models, with time, rollbacks and restarts added.)
"""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, competition_ranks, order_key, top_rows
from contracts.tops import Floor, GlobalTop, Position, ShardBoard, ShardTop
from merger.merging import MergeState
from merger.shard_top_check import fault_of

PARTITIONS: Final = [Partition(p) for p in range(4)]
SHARDS: Final = [ShardId(s) for s in ("s1", "s2", "s3")]
PERIODS: Final = [PeriodId("all_time"), PeriodId("daily:2026-11-24")]
K: Final = 2
SHOWN: Final = 3
some_shard = st.sampled_from(SHARDS)
some_partition = st.sampled_from(PARTITIONS)


@dataclass(frozen=True)
class Entry:
    """One record of a partition's log: points for a user, on both boards or on all_time alone; 0 hides the user."""

    user: str
    points: int
    is_daily: bool


@dataclass
class Copy:
    """One shard's state of one partition."""

    epoch: int
    offset: int
    is_fenced: bool = False


@dataclass
class Log:
    entries: list[Entry] = field(default_factory=list)

    def rows(self, partition: Partition, offset: int, *, period: PeriodId) -> list[TopRow]:
        """The partition's rows on a board once the log is applied up to `offset`."""
        rows: dict[str, TopRow] = {}
        for log_ms, entry in enumerate(self.entries[:offset], start=1):
            if entry.points == 0:
                rows.pop(entry.user, None)
            elif entry.is_daily or period == PERIODS[0]:
                before = rows[entry.user].score if entry.user in rows else 0
                user_id = UserId(f"{entry.user}{partition}")
                rows[entry.user] = TopRow(user_id, before + entry.points, LogMs(log_ms), partition)
        return sorted(rows.values(), key=order_key)


class Shards(RuleBasedStateMachine):
    """The rules are what may happen; the invariants what must hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.logs = {p: Log() for p in PARTITIONS}
        self.copies: dict[ShardId, dict[Partition, Copy]] = {s: {} for s in SHARDS}
        for i, partition in enumerate(PARTITIONS):
            self.copies[SHARDS[i % 2]][partition] = Copy(epoch=1, offset=0)
        self.epoch = 1
        self.sequence = 0
        self.now_s = 0.0
        self.cache: dict[ShardId, ShardTop] = {}
        self.every_top: list[ShardTop] = []
        self.written: dict[PeriodId, GlobalTop] = {}
        self.merger = MergeState(SHOWN)

        for number, partition in enumerate(PARTITIONS):
            for user in "abc":
                self.append_and_apply(
                    partition, user, points=1 + (number + ord(user)) % 3, is_daily=True, then_publishes=False
                )
        for shard in SHARDS[:2]:
            self.publish(shard, is_read=True)
        self.write(PERIODS)

    @rule(
        partition=some_partition,
        user=st.sampled_from("abcd"),
        points=st.integers(0, 3),
        is_daily=st.booleans(),
        then_publishes=st.booleans(),
    )
    def append_and_apply(
        self, partition: Partition, user: str, *, points: int, is_daily: bool, then_publishes: bool
    ) -> None:
        log = self.logs[partition]
        log.entries.append(Entry(user, points, is_daily))
        copy = self.newest_copy(partition)
        if not copy.is_fenced:
            copy.offset = len(log.entries)
        if then_publishes:
            for shard, copies in self.copies.items():
                if copies.get(partition) is copy:
                    self.publish(shard, is_read=True)

    @rule(shard=some_shard, is_read=st.booleans())
    def publish(self, shard: ShardId, is_read: bool) -> None:
        self.sequence += 1
        copies = self.copies[shard]
        top = ShardTop(
            shard=shard, incarnation=1, sequence=self.sequence, map_version=1, published_at_ms=0,
            positions=tuple(
                Position(p, Epoch(c.epoch), Offset(c.offset), LogMs(c.offset)) for p, c in sorted(copies.items())
            ),
            boards=tuple(self.local_board(copies, period) for period in PERIODS),
        )  # fmt: skip
        assert fault_of(top, shard) is None
        self.cache[shard] = top
        self.every_top.append(top)
        if is_read:
            self.merger_reads(shard)

    @rule(shard=some_shard)
    def merger_reads(self, shard: ShardId) -> None:
        if shard in self.cache:
            self.merger.on_shard_top(self.cache[shard], self.now_s)

    @precondition(lambda self: self.every_top)
    @rule(data=st.data())
    def an_old_top_arrives(self, data: st.DataObject) -> None:
        top = data.draw(st.sampled_from(self.every_top))
        known = self.cache[top.shard]
        if top.order < known.order:
            self.merger.on_shard_top(known, self.now_s)
            assert not self.merger.on_shard_top(top, self.now_s)

    @rule(partition=some_partition, receiver=some_shard, lost=st.integers(0, 2), then_publishes=st.booleans())
    def move(self, partition: Partition, receiver: ShardId, *, lost: int, then_publishes: bool) -> None:
        """Fence the owner; the receiver starts from its offset, or from an older copy and catches up later."""
        source = self.newest_copy(partition)
        if partition in self.copies[receiver]:
            return
        source.is_fenced = True
        self.epoch += 1
        self.copies[receiver][partition] = Copy(self.epoch, max(0, source.offset - lost))
        if then_publishes:
            self.publish(receiver, is_read=True)

    @rule(partition=some_partition)
    def old_owner_learns_the_map(self, partition: Partition) -> None:
        newest = self.newest_copy(partition)
        for copies in self.copies.values():
            if partition in copies and copies[partition] is not newest:
                del copies[partition]

    @rule(partition=some_partition)
    def abort_move(self, partition: Partition) -> None:
        """The owner before claims the partition at a newer epoch, from wherever its copy stands."""
        newest = self.newest_copy(partition)
        fenced = [c[partition] for c in self.copies.values() if partition in c and c[partition] is not newest]
        if fenced:
            self.epoch += 1
            fenced[0].epoch, fenced[0].is_fenced = self.epoch, False

    @rule(shard=some_shard, lost=st.integers(1, 3), then_publishes=st.booleans())
    def redis_loses_its_tail(self, shard: ShardId, lost: int, *, then_publishes: bool) -> None:
        for copy in self.copies[shard].values():
            copy.offset = max(0, copy.offset - lost)
        if then_publishes:
            self.publish(shard, is_read=True)

    @rule(partition=some_partition)
    def catch_up(self, partition: Partition) -> None:
        copy = self.newest_copy(partition)
        copy.offset = len(self.logs[partition].entries)

    @rule(periods=st.sampled_from([PERIODS, PERIODS[:1], PERIODS[1:]]))
    def write(self, periods: list[PeriodId]) -> None:
        for period in periods:
            self.written[period] = self.board(period)

    @rule()
    def merger_restarts(self) -> None:
        """A new merger, or one that was overtaken, knows what the cache holds and nothing else."""
        self.merger = MergeState(SHOWN)
        self.load_all()

    @rule()
    def load_all(self) -> None:
        for top in self.cache.values():
            self.merger.on_shard_top(top, self.now_s)
        self.merger.on_written(list(self.written.values()), self.now_s)

    @rule(shard=some_shard, periods=st.sampled_from([[], PERIODS[:1], PERIODS[1:]]), then_restarts=st.booleans())
    def cache_loses_keys(self, shard: ShardId, periods: list[PeriodId], *, then_restarts: bool) -> None:
        self.cache.pop(shard, None)
        self.every_top = [top for top in self.every_top if top.shard != shard]
        for period in periods:
            self.written.pop(period, None)
        if then_restarts:
            self.merger_restarts()

    @invariant()
    def boards_are_exact_prefixes_of_the_truth(self) -> None:
        for period in PERIODS:
            merged = self.merger.merged(period)
            union = [
                row
                for position in self.merger.positions(period)
                for row in self.logs[position.partition].rows(position.partition, position.next_offset, period=period)
            ]
            truth = top_rows(union, SHOWN)
            assert list(merged.rows) == truth[: len(merged.rows)]
            assert not merged.complete or len(merged.rows) == len(truth)

    @invariant()
    def no_partition_goes_back_behind_a_written_board(self) -> None:
        for period, written in self.written.items():
            now = {position.partition: position for position in self.merger.positions(period)}
            for before in written.positions:
                position = now[before.partition]
                assert position.epoch >= before.epoch
                assert position.next_offset >= before.next_offset

    @invariant()
    def incremental_equals_a_merge_of_all(self) -> None:
        self.merger.check_invariants()
        anew = deepcopy(self.merger)
        for board in anew._boards.values():
            board.merge_all()
        for period in PERIODS:
            assert anew.merged(period) == self.merger.merged(period)

    def newest_copy(self, partition: Partition) -> Copy:
        copies = [c[partition] for c in self.copies.values() if partition in c]
        return max(copies, key=lambda copy: copy.epoch)

    def local_board(self, copies: dict[Partition, Copy], period: PeriodId) -> ShardBoard:
        rows = [row for p, copy in copies.items() for row in self.logs[p].rows(p, copy.offset, period=period)]
        best = top_rows(rows, K)
        last = best[-1] if len(rows) > K else None
        floor = None if last is None else Floor(last.score, last.scored_at, last.user_id)
        return ShardBoard(period, tuple(best), floor)

    def board(self, period: PeriodId) -> GlobalTop:
        merged = self.merger.merged(period)
        board = GlobalTop(
            period=period, version=1, positions=self.merger.positions(period), rows=merged.rows,
            ranks=tuple(competition_ranks([row.score for row in merged.rows])), complete=merged.complete,
            as_of_ms=None, published_at_ms=0,
        )  # fmt: skip
        return msgspec.msgpack.decode(msgspec.msgpack.encode(board), type=GlobalTop)


Shards.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestShards = Shards.TestCase
