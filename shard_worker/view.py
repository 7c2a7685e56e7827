"""What the shard publishes: its boards out of the tracked rows, with the rows of partitions that went back carried from
an earlier publication until they are there again. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from contracts.ids import LogMs, Offset, Partition, PeriodId
from contracts.ranking import OrderKey, TopRow, top_rows
from contracts.tops import Floor, Position, ShardBoard, ShardTop
from shard_worker.local_top import BoardView


@dataclass(frozen=True, slots=True)
class Carried:
    """A partition as it was published last, while Redis stands before that."""

    position: Position
    rows: Mapping[PeriodId, tuple[TopRow, ...]]
    floors: Mapping[PeriodId, Floor | None]


def carry(top: ShardTop, partition: Partition) -> Carried:
    """What `top` says of one of its partitions. Raises KeyError when it is not in it."""
    position = {position.partition: position for position in top.positions}[partition]
    return Carried(
        position=position,
        rows={board.period: tuple(r for r in board.rows if r.partition == partition) for board in top.boards},
        floors={board.period: board.floor for board in top.boards},
    )


class Published:
    """The newest that the cache holds of each partition: nothing older is published."""

    def __init__(self, tops: Iterable[ShardTop] = ()) -> None:
        self._newest: dict[Partition, tuple[Offset, ShardTop]] = {}
        for top in tops:
            self.note(top)

    def note(self, top: ShardTop) -> None:
        """`top` was published, by this shard or by another that had the partition before."""
        for position in top.positions:
            known = self._newest.get(position.partition)
            if known is None or known[0] <= position.next_offset:
                self._newest[position.partition] = (position.next_offset, top)

    def carried(
        self, positions: Sequence[Position], end_offsets: Mapping[Partition, Offset]
    ) -> dict[Partition, Carried]:
        """The partitions that stand before what was published. One that reached the log's end is never among them:
        what was published beyond it came from another log."""
        behind: dict[Partition, Carried] = {}
        for position in positions:
            known = self._newest.get(position.partition)
            if known is None or position.next_offset >= known[0]:
                continue
            if position.next_offset >= end_offsets.get(position.partition, Offset(2**62)):
                del self._newest[position.partition]
                continue
            behind[position.partition] = carry(known[1], position.partition)
        return behind


def board_of(view: BoardView, carried: Mapping[Partition, Carried], *, shown: int) -> ShardBoard:
    """The best `shown` rows of a board. Its floor is the best place below which anything may be missing."""
    floors: list[Floor] = []
    if view.is_cut and view.rows:
        floors.append(_place(view.rows[-1]))
    rows = [row for row in view.rows if row.partition not in carried]
    for earlier in carried.values():
        rows += earlier.rows.get(view.period, ())
        floor = earlier.floors.get(view.period)
        if floor is not None:
            floors.append(floor)
    best = top_rows(rows, shown)
    if len(rows) > shown:
        floors.append(_place(best[-1]))
    return ShardBoard(view.period, tuple(best), min(floors, key=_floor_key, default=None))


def boards_of(
    views: Iterable[BoardView], carried: Mapping[Partition, Carried], *, shown: int
) -> tuple[ShardBoard, ...]:
    """All boards to publish; a carried partition may have rows on boards that the others have none on."""
    by_period = {view.period: view for view in views}
    for earlier in carried.values():
        for period, rows in earlier.rows.items():
            if rows and period not in by_period:
                by_period[period] = BoardView(period, (), is_cut=False)
    return tuple(board_of(view, carried, shown=shown) for _, view in sorted(by_period.items()))


def positions_of(positions: Sequence[Position], carried: Mapping[Partition, Carried]) -> tuple[Position, ...]:
    """The positions to publish: of a carried partition the one that its rows belong to, at its present epoch."""
    published: list[Position] = []
    for position in positions:
        earlier = carried.get(position.partition)
        if earlier is None:
            published.append(position)
        else:
            old = earlier.position
            published.append(
                Position(position.partition, position.epoch, old.next_offset, LogMs(old.log_ms), is_catching_up=True)
            )
    return tuple(published)


def _place(row: TopRow) -> Floor:
    return Floor(row.score, row.scored_at, row.user_id)


def _floor_key(floor: Floor) -> OrderKey:
    return OrderKey(-floor.score, floor.scored_at, floor.user_id.encode())
