"""What all shards published, turned into boards: which shard speaks for each partition, and what must be carried.

Pure; one `MergeState` is owned by the service's loop. For each partition one source counts: the newest top of the shard
with the newest epoch, unless that would take the partition back behind what was merged or written before. Then its
earlier rows are carried (`Held`) until somebody publishes it from there onwards.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId
from contracts.ranking import TopRow
from contracts.tops import GLOBAL_TOP_ROWS, Floor, GlobalTop, Position, ShardTop
from merger.board_merge import HIDES_ALL, BoardMerge, MergedTop, Source

CATCHING_UP_S: Final = 10.0
"""Partitions that move or whose worker restarts are back in less; after this the board says that rows are old."""
_NOTHING_MERGED: Final = MergedTop((), complete=True)


@dataclass(frozen=True, slots=True)
class HeldBoard:
    """A held partition's rows on one board, as they stood at `position`."""

    position: Position
    rows: tuple[TopRow, ...]
    floor: Floor | None


@dataclass(frozen=True, slots=True)
class Held:
    """A partition whose earlier rows are carried until it is published from `position` onwards."""

    position: Position
    shard: ShardId | None
    """Whose top they come from; None: from a written board."""
    boards: dict[PeriodId, HeldBoard]


@dataclass(frozen=True, slots=True)
class Live:
    """A partition that a shard's newest top speaks for."""

    position: Position
    shard: ShardId


class MergeState:
    """The newest top of each shard, and every board merged from them. Fed by events, asked for boards."""

    def __init__(self, rows_max: int = GLOBAL_TOP_ROWS) -> None:
        self._rows_max = rows_max
        self._tops: dict[ShardId, ShardTop] = {}
        self._published: dict[Partition, dict[ShardId, Position]] = {}
        self._accepted: dict[Partition, Live | Held] = {}
        self._held: dict[Partition, Held] = {}
        self._live_count: dict[ShardId, int] = {}
        self._boards: dict[PeriodId, BoardMerge] = {}
        self._periods_of: dict[Source, set[PeriodId]] = {}
        self._catching_up_since_s: dict[Partition, float] = {}
        self._positions: tuple[Position, ...] | None = None
        self.advanced: dict[Partition, LogMs] = {}
        """Log times of partitions that advanced: what newly visible rows are dated by. The reader clears it."""

    def on_shard_top(self, top: ShardTop, now_s: float) -> bool:
        """Take a publication; False: it is not newer than the one known. Its rows are in board order."""
        old = self._tops.get(top.shard)
        if old is not None and top.order <= old.order:
            return False
        self._tops[top.shard] = top
        to_judge = self._note_positions(old, top)
        regrouped: set[Source] = set()
        for partition in to_judge:
            regrouped |= self._judge(partition, top.shard, old=old, now_s=now_s)
        if regrouped:
            self._regroup(regrouped | {top.shard})
        else:
            self._put_shard(top.shard)
        return True

    def on_written(self, boards: Sequence[GlobalTop], now_s: float) -> None:
        """Boards read from the cache: no partition may be shown behind them. Feed the shards' tops first."""
        furthest: dict[Partition, Position] = {}
        for board in boards:
            for position in board.positions:
                known = furthest.get(position.partition) or self._accepted_position(position.partition)
                if known is None or _goes_back(position, known):
                    furthest[position.partition] = position
        carried = _held_boards(boards, furthest.keys(), rows_max=self._rows_max)
        regrouped: set[Source] = set()
        for partition, position in furthest.items():
            held = Held(_catching_up(position), None, carried[partition])
            regrouped |= self._accept(partition, held, now_s=now_s)
        if regrouped:
            self._regroup(regrouped)

    def forget_shard(self, shard: ShardId) -> bool:
        """Drop a silent shard's top; False: it speaks for a partition, so its rows stay."""
        if self._live_count.get(shard, 0):
            return False
        for position in self._tops.pop(shard).positions:
            self._published[position.partition].pop(shard, None)
        self._live_count.pop(shard, None)
        self._periods_of.pop(shard, None)
        return True

    def merged(self, period: PeriodId) -> MergedTop:
        """The board's rows as far as they can be vouched for."""
        board = self._boards.get(period)
        return _NOTHING_MERGED if board is None else board.top()

    def positions(self, period: PeriodId) -> tuple[Position, ...]:
        """How far each partition's log is in `merged`, by partition."""
        if self._positions is None:
            self._positions = tuple(self._accepted[p].position for p in sorted(self._accepted))
        if not self._held:
            return self._positions
        shown = (_shown_position(self._accepted[p], period) for p in sorted(self._accepted))
        return tuple(position for position in shown if position is not None)

    @property
    def shards(self) -> Iterable[ShardId]:
        """The shards that published."""
        return self._tops.keys()

    @property
    def periods(self) -> Iterable[PeriodId]:
        """The boards that any source has rows or a floor for."""
        return self._boards.keys()

    @property
    def held(self) -> Mapping[Partition, Held]:
        """The partitions whose earlier rows are carried."""
        return self._held

    def speaks(self, shard: ShardId) -> bool:
        """Whether the shard's newest top counts for any partition."""
        return self._live_count.get(shard, 0) > 0

    def is_idle(self, shard: ShardId) -> bool:
        """Whether the shard said last that it has no partition, and none waits for it: it may fall silent."""
        top = self._tops.get(shard)
        return top is not None and not top.positions and all(self._shard_of(p) != shard for p in self._held)

    def stuck_shards(self, now_s: float) -> set[ShardId]:
        """The shards of partitions that have been catching up for too long."""
        late = [p for p, since_s in self._catching_up_since_s.items() if now_s - since_s > CATCHING_UP_S]
        return {shard for p in late if (shard := self._shard_of(p)) is not None}

    def lists(self, partition: Partition, period: PeriodId) -> bool:
        """Whether the source of this partition still carries the board."""
        source = self._accepted.get(partition)
        if source is None:
            return False
        return period in (source.boards if isinstance(source, Held) else self._periods_of.get(source.shard, ()))

    def check_invariants(self) -> None:
        """Raise AssertionError when the indexes contradict one another. For tests."""
        live = [source.shard for source in self._accepted.values() if isinstance(source, Live)]
        assert {s: n for s, n in self._live_count.items() if n} == {s: live.count(s) for s in live}
        for partition, source in self._accepted.items():
            assert source.position.partition == partition
            if isinstance(source, Live):
                assert self._published[partition][source.shard] == source.position
                assert max(map(_seniority, self._published[partition].items())) == _seniority(
                    (source.shard, source.position)
                )
            assert source.position.is_catching_up is (partition in self._catching_up_since_s)
            assert isinstance(source, Held) is (partition in self._held)
        assert set(self._tops) >= set(live)

    def _note_positions(self, old: ShardTop | None, top: ShardTop) -> list[Partition]:
        """Index the shard's positions; return the partitions that did more than advance under the same owner."""
        if old is not None and old.positions == top.positions:
            return []
        to_judge: list[Partition] = []
        shard = top.shard
        self._positions = None
        for position in top.positions:
            partition = position.partition
            published = self._published.setdefault(partition, {})
            published[shard] = position
            now = self._accepted.get(partition)
            if isinstance(now, Live) and now.shard == shard and _only_advances(now.position, position):
                if position.next_offset > now.position.next_offset:
                    self.advanced[partition] = position.log_ms
                self._accepted[partition] = Live(position, shard)
            else:
                to_judge.append(partition)
        if old is not None and (to_judge or len(old.positions) != len(top.positions)):
            gone = {p.partition for p in old.positions} - {p.partition for p in top.positions}
            for partition in gone:
                del self._published[partition][shard]
            to_judge.extend(gone)
        return to_judge

    def _judge(self, partition: Partition, shard: ShardId, *, old: ShardTop | None, now_s: float) -> set[Source]:
        """Choose the partition's source after `shard` replaced its top `old`; return the sources that changed."""
        now = self._accepted.get(partition)
        candidate = max(self._published[partition].items(), key=_seniority, default=None)
        if candidate is not None and (now is None or not _goes_back(now.position, candidate[1])):
            return self._accept(partition, Live(candidate[1], candidate[0]), now_s=now_s)
        if now is None or isinstance(now, Held):
            return set()
        source = old if now.shard == shard else self._tops[now.shard]
        assert source is not None, "a live source has published"
        return self._accept(partition, _hold(now, source), now_s=now_s)

    def _accept(self, partition: Partition, new: Live | Held, *, now_s: float) -> set[Source]:
        """Make this the partition's source; return the sources whose rows changed by it."""
        before = self._accepted.get(partition)
        self._positions = None
        if before is not None and new.position.next_offset > before.position.next_offset:
            self.advanced[partition] = new.position.log_ms
        if isinstance(before, Live):
            self._live_count[before.shard] -= 1
        if isinstance(new, Live):
            self._live_count[new.shard] = self._live_count.get(new.shard, 0) + 1
            self._held.pop(partition, None)
        else:
            self._held[partition] = new
        self._accepted[partition] = new
        if new.position.is_catching_up:
            self._catching_up_since_s.setdefault(partition, now_s)
        else:
            self._catching_up_since_s.pop(partition, None)
        touched: set[Source] = {_source_of(partition, new)}
        if before is not None:
            touched.add(_source_of(partition, before))
        return touched

    def _regroup(self, sources: set[Source]) -> None:
        """Rebuild some sources: all are taken out before any is put back, so that no row is ever in two."""
        for source in sources:
            for period in self._periods_of.pop(source, ()):
                self._take_out(source, period)
        for source in sources:
            if isinstance(source, str):
                self._put_shard(source)
                continue
            held = self._accepted.get(source)
            if isinstance(held, Held):
                self._put(source, {period: (b.rows, b.floor) for period, b in held.boards.items()})

    def _put_shard(self, shard: ShardId) -> None:
        top = self._tops.get(shard)
        live = self._live_count.get(shard, 0)
        if top is None or not live:
            self._put(shard, {})
        elif live == len(top.positions):
            self._put(shard, {board.period: (board.rows, board.floor) for board in top.boards})
        else:
            mine = {p.partition for p in top.positions if _is_live_in(self._accepted.get(p.partition), shard)}
            self._put(
                shard,
                {b.period: (tuple([row for row in b.rows if row.partition in mine]), b.floor) for b in top.boards},
            )

    def _put(self, source: Source, boards: dict[PeriodId, tuple[tuple[TopRow, ...], Floor | None]]) -> None:
        before = self._periods_of.get(source, set())
        for period in before - boards.keys():
            self._take_out(source, period)
        for period, (rows, floor) in boards.items():
            board = self._boards.get(period)
            if board is None:
                board = self._boards[period] = BoardMerge(self._rows_max)
            board.put(source, rows, floor=floor)
        self._periods_of[source] = set(boards)

    def _take_out(self, source: Source, period: PeriodId) -> None:
        board = self._boards[period]
        board.drop(source)
        if board.is_empty:
            del self._boards[period]

    def _accepted_position(self, partition: Partition) -> Position | None:
        source = self._accepted.get(partition)
        return None if source is None else source.position

    def _shard_of(self, partition: Partition) -> ShardId | None:
        """Who has to bring this partition forward: the senior publisher, else whose rows are carried."""
        candidate = max(self._published.get(partition, {}).items(), key=_seniority, default=None)
        if candidate is not None:
            return candidate[0]
        source = self._accepted.get(partition)
        return None if source is None else source.shard


def _seniority(published: tuple[ShardId, Position]) -> tuple[Epoch, Offset, ShardId]:
    """The newest epoch speaks. Epochs differ between owners; should two ever be equal, exactly one must still speak."""
    shard, position = published
    return (position.epoch, position.next_offset, shard)


def _goes_back(now: Position, then: Position) -> bool:
    """Whether `then` after `now` would take back something shown: a newer epoch must start where the older one was."""
    return then.epoch < now.epoch or then.next_offset < now.next_offset


def _only_advances(now: Position, then: Position) -> bool:
    return then.epoch == now.epoch and then.next_offset >= now.next_offset and then.is_catching_up == now.is_catching_up


def _source_of(partition: Partition, accepted: Live | Held) -> Source:
    return accepted.shard if isinstance(accepted, Live) else partition


def _is_live_in(accepted: Live | Held | None, shard: ShardId) -> bool:
    return isinstance(accepted, Live) and accepted.shard == shard


def _catching_up(position: Position) -> Position:
    return msgspec.structs.replace(position, is_catching_up=True)


def _shown_position(accepted: Live | Held, period: PeriodId) -> Position | None:
    """None: the partition is known from other written boards only, which say nothing of its rows on this one."""
    if isinstance(accepted, Live):
        return accepted.position
    board = accepted.boards.get(period)
    if board is not None:
        return board.position
    return None if accepted.shard is None else accepted.position


def _hold(live: Live, top: ShardTop) -> Held:
    """Carry the partition's rows of the top that spoke for it so far."""
    partition = live.position.partition
    position = _catching_up(live.position)
    boards = {
        board.period: HeldBoard(position, tuple(row for row in board.rows if row.partition == partition), board.floor)
        for board in top.boards
    }
    return Held(position, live.shard, boards)


def _held_boards(
    boards: Sequence[GlobalTop], partitions: Collection[Partition], *, rows_max: int
) -> dict[Partition, dict[PeriodId, HeldBoard]]:
    """Carry these partitions' rows of written boards, each as it stood there."""
    held: dict[Partition, dict[PeriodId, HeldBoard]] = {partition: {} for partition in partitions}
    for board in boards if held else ():
        floor = _floor_of(board, rows_max)
        rows: dict[Partition, list[TopRow]] = {}
        for row in board.rows:
            rows.setdefault(row.partition, []).append(row)
        for position in board.positions:
            partition = position.partition
            if partition in held:
                carried = tuple(rows.get(partition, ()))
                held[partition][board.period] = HeldBoard(_catching_up(position), carried, floor)
    return held


def _floor_of(board: GlobalTop, rows_max: int) -> Floor | None:
    """Where a written board stops vouching for its rows."""
    if board.rows and (len(board.rows) >= rows_max or not board.complete):
        last = board.rows[-1]
        return Floor(last.score, last.scored_at, last.user_id)
    return None if board.complete else HIDES_ALL
