"""BoardMerge: whatever changes in whatever order, its top is that of a plain sort."""

from copy import deepcopy

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import LogMs, Partition, ShardId, UserId
from contracts.ranking import TopRow, order_key, top_rows
from contracts.tops import Floor
from merger.board_merge import HIDES_ALL, BoardMerge, MergedTop, Source

COUNT = 3


def row(user: str, score: int, *, at: int = 1, partition: int = 0, name: str | None = None) -> TopRow:
    return TopRow(UserId(user), score, LogMs(at), Partition(partition), name)


def plain(sources: dict[Source, tuple[list[TopRow], Floor | None]]) -> MergedTop:
    """The specification: sort all rows, keep those at or above every floor."""
    floors = [floor for _, floor in sources.values() if floor is not None]
    rows = top_rows([r for rows, _ in sources.values() for r in rows], COUNT)
    shown = [r for r in rows if all(order_key(r) <= order_key(floor_row(floor)) for floor in floors)]
    return MergedTop(tuple(shown), len(shown) == COUNT or not floors)


def floor_row(floor: Floor) -> TopRow:
    return row(floor.user_id, floor.score, at=floor.scored_at)


def test_best_rows_of_all_sources_are_shown() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9), row("b", 5)], floor=None)
    board.put(ShardId("s2"), [row("c", 7, partition=1), row("d", 6, partition=1)], floor=None)
    assert [r.user_id for r in board.top().rows] == ["a", "c", "d"]
    assert board.top().complete


def test_ties_go_to_who_was_first_then_to_the_smaller_user_id_in_utf8() -> None:
    board = BoardMerge(4)
    board.put(ShardId("s1"), [row("z", 5, at=1), row("\uffff", 5, at=2)], floor=None)
    board.put(ShardId("s2"), [row("a", 5, at=2, partition=1), row("\U00010000", 5, at=2, partition=1)], floor=None)
    assert [r.user_id for r in board.top().rows] == ["z", "a", "\uffff", "\U00010000"]


def test_rows_below_a_floor_of_another_source_are_not_shown() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9)], floor=Floor(7, LogMs(1), "m"))
    board.put(ShardId("s2"), [row("b", 7, partition=1), row("x", 7, partition=1)], floor=None)
    assert [r.user_id for r in board.top().rows] == ["a", "b"]
    assert not board.top().complete


def test_highest_floor_binds_and_the_next_one_when_it_is_gone() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9), row("b", 4)], floor=None)
    for partition, score in ((1, 8), (2, 5), (3, 2)):
        board.put(Partition(partition), (), floor=Floor(score, LogMs(9), ""))
    assert [r.user_id for r in board.top().rows] == ["a"]
    board.drop(Partition(1))
    assert [r.user_id for r in board.top().rows] == ["a"]
    board.drop(Partition(2))
    assert [r.user_id for r in board.top().rows] == ["a", "b"]


def test_row_at_the_floor_is_shown() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9), row("b", 7)], floor=Floor(7, LogMs(1), "b"))
    assert [r.user_id for r in board.top().rows] == ["a", "b"]


def test_full_board_is_complete_in_spite_of_floors() -> None:
    board = BoardMerge(1)
    board.put(ShardId("s1"), [row("a", 9)], floor=Floor(9, LogMs(1), "a"))
    assert board.top().complete


def test_floor_above_every_row_hides_all() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 2**53 - 1, at=0)], floor=None)
    board.put(Partition(3), [], floor=HIDES_ALL)
    assert board.top() == MergedTop((), complete=False)


def test_a_new_name_is_a_new_top() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9)], floor=None)
    board.top()
    board.put(ShardId("s1"), [row("a", 9, name="Ada")], floor=None)
    assert board.top().rows[0].name == "Ada"


def test_top_is_the_same_object_when_a_change_is_below_it() -> None:
    board = BoardMerge(1)
    board.put(ShardId("s1"), [row("a", 9)], floor=None)
    board.put(ShardId("s2"), [row("b", 5, partition=1)], floor=None)
    top = board.top()
    board.put(ShardId("s2"), [row("b", 6, partition=1)], floor=None)
    assert board.top() is top


def test_dropped_source_takes_its_rows_and_its_floor_along() -> None:
    board = BoardMerge(COUNT)
    board.put(ShardId("s1"), [row("a", 9)], floor=Floor(9, LogMs(1), "a"))
    board.put(ShardId("s2"), [row("b", 5, partition=1)], floor=None)
    board.drop(ShardId("s1"))
    assert board.top() == MergedTop((row("b", 5, partition=1),), complete=True)
    board.drop(ShardId("s2"))
    assert board.is_empty


SOURCES = 9
"""More than the shown rows and the buffer's refill, so that bounds, cuts and refills all happen."""
a_row = st.tuples(st.integers(0, 6), st.integers(-4, 6), st.integers(0, 2))
a_change = st.tuples(
    st.integers(0, SOURCES - 1),
    st.one_of(st.none(), st.lists(a_row, max_size=7, unique_by=lambda r: r[0])),
    st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(a_change, max_size=60))
def test_incremental_top_equals_a_plain_sort_and_a_merge_of_all_at_every_step(
    changes: list[tuple[int, list[tuple[int, int, int]] | None, bool]],
) -> None:
    """Few scores and times, so that ties are everywhere; rows appear, rise, fall and vanish; floors come and go."""
    board, sources = BoardMerge(COUNT), dict[Source, tuple[list[TopRow], Floor | None]]()
    for number, rows_drawn, has_floor in changes:
        source = ShardId(f"s{number}")
        if rows_drawn is None:
            board.drop(source)
            sources.pop(source, None)
        else:
            rows = sorted((row(f"{number}-{u}", s, at=at, partition=number) for u, s, at in rows_drawn), key=order_key)
            last = rows[-1] if rows and has_floor else None
            floor = None if last is None else Floor(last.score, last.scored_at, last.user_id)
            board.put(source, rows, floor=floor)
            sources[source] = (rows, floor)
        assert board.top() == plain(sources)
        anew = deepcopy(board)
        anew.merge_all()
        assert anew.top() == board.top()
