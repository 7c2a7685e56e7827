"""What is published: never a partition before what was published of it, and floors that tell the truth."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.ranking import TopRow, order_key, top_rows
from contracts.tops import Floor, Position, ShardBoard, ShardTop
from shard_worker.local_top import BoardView
from shard_worker.view import Published, board_of, boards_of, carry, positions_of

ALL = PeriodId("all_time")
P, Q = Partition(0), Partition(1)


def row(user: str, score: int, *, partition: Partition = P) -> TopRow:
    return TopRow(UserId(user), score, LogMs(1), partition)


def position(partition: Partition, offset: int, *, epoch: int = 1, catching_up: bool = False) -> Position:
    return Position(partition, Epoch(epoch), Offset(offset), LogMs(offset), catching_up)


def shard_top(
    rows: list[TopRow], positions: list[Position], *, floor: Floor | None = None, shard: str = "s1"
) -> ShardTop:
    return ShardTop(
        shard=ShardId(shard), incarnation=1, sequence=1, map_version=1, published_at_ms=0,
        positions=tuple(positions), boards=(ShardBoard(ALL, tuple(rows), floor),),
    )  # fmt: skip


def test_partition_that_went_back_is_carried_until_it_is_there_again() -> None:
    published = Published([shard_top([row("a", 9), row("q", 5, partition=Q)], [position(P, 10), position(Q, 4)])])
    now, ends = [position(P, 7, epoch=2), position(Q, 5)], {P: Offset(20), Q: Offset(20)}
    carried = published.carried(now, ends)
    assert carried.keys() == {P}
    view = BoardView(ALL, (row("q", 6, partition=Q), row("a", 3)), is_cut=False)
    assert board_of(view, carried, shown=5) == ShardBoard(ALL, (row("a", 9), row("q", 6, partition=Q)), None)
    assert positions_of(now, carried) == (position(P, 10, epoch=2, catching_up=True), position(Q, 5))
    assert published.carried([position(P, 10), position(Q, 5)], ends) == {}


def test_newest_of_several_shards_counts() -> None:
    published = Published([
        shard_top([row("a", 9)], [position(P, 10)], shard="s1"),
        shard_top([row("a", 7)], [position(P, 8)], shard="s2"),
    ])  # fmt: skip
    assert published.carried([position(P, 9, epoch=3)], {})[P].rows == {ALL: (row("a", 9),)}


def test_partition_at_the_end_of_its_log_is_never_carried() -> None:
    published = Published([shard_top([row("a", 9)], [position(P, 10)])])
    assert published.carried([position(P, 7)], {P: Offset(7)}) == {}
    assert published.carried([position(P, 7)], {P: Offset(20)}) == {}, "what was published belongs to another log"


def test_carried_rows_of_a_board_that_is_gone_are_shown() -> None:
    carried = {P: carry(shard_top([row("a", 9)], [position(P, 10)]), P)}
    assert boards_of([], carried, shown=3) == (ShardBoard(ALL, (row("a", 9),), None),)


scores = st.lists(st.integers(0, 4), max_size=8)


@given(live_p=scores, live_q=scores, then_p=scores, then_q=scores, shown=st.integers(1, 4), goes_back=st.booleans())
def test_rows_at_or_above_the_floor_are_all_there(
    *, live_p: list[int], live_q: list[int], then_p: list[int], then_q: list[int], shown: int, goes_back: bool
) -> None:
    """The truth of what is published: of each partition the rows at the moment that its position names."""
    now_p = [row(f"p{n}", score) for n, score in enumerate(live_p)]
    now_q = [row(f"q{n}", score, partition=Q) for n, score in enumerate(live_q)]
    old_p = [row(f"p{n}", score) for n, score in enumerate(then_p)]
    old_q = [row(f"q{n}", score, partition=Q) for n, score in enumerate(then_q)]
    before = board_of(view_of([*old_p, *old_q], shown), {}, shown=shown)
    check(before, [*old_p, *old_q])
    old_top = shard_top(list(before.rows), [position(P, 10)], floor=before.floor)
    carried = {P: carry(old_top, P)} if goes_back else {}
    truth = [*(old_p if goes_back else now_p), *now_q]
    board = board_of(view_of([*now_p, *now_q], shown), carried, shown=shown)
    check(board, truth)
    assert len(board.rows) <= shown


def view_of(rows: list[TopRow], shown: int) -> BoardView:
    return BoardView(ALL, tuple(top_rows(rows, 2 * shown)), is_cut=len(rows) > 2 * shown)


def check(board: ShardBoard, truth: list[TopRow]) -> None:
    ordered = top_rows(truth, len(truth))
    if board.floor is None:
        assert list(board.rows) == ordered
        return
    floor = order_key(TopRow(UserId(board.floor.user_id), board.floor.score, board.floor.scored_at, P))
    above = [r for r in ordered if order_key(r) <= floor]
    assert [r for r in board.rows if order_key(r) <= floor] == above
