"""The local top against a plain sort at every batch boundary, with many ties; shards' tops merged against one sort."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.ids import LogMs, Partition, PeriodId, UserId
from contracts.ranking import TopRow, top_rows
from shard_worker.local_top import NAMES_SLACK, NO_FLOOR, Floor, LocalTop

ALL, TODAY, YESTERDAY = PeriodId("all_time"), PeriodId("daily:2026-11-24"), PeriodId("daily:2026-11-23")
USERS = "abcdefghijklmnoü"
BOARDS = [(ALL, TODAY), (ALL, TODAY), (ALL, YESTERDAY)]
P0 = Partition(0)


class Scores:
    """What Redis does for the top: sums, and rows at or above the floors that a call was given."""

    def __init__(self, partitions: int) -> None:
        self.partitions = partitions
        self.boards: dict[PeriodId, dict[str, TopRow]] = {}

    def act(self, user: str, points: int, *, at: int, boards: tuple[PeriodId, ...]) -> None:
        for board in boards:
            row = self.boards.setdefault(board, {}).get(user)
            score = points + (row.score if row else 0)
            self.boards[board][user] = TopRow(UserId(user), score, LogMs(at), self.partition(user))

    def partition(self, user: str) -> Partition:
        return Partition(sum(user.encode()) % self.partitions)

    def reply(
        self, partition: Partition, touched: dict[PeriodId, set[str]], *, floors: dict[PeriodId, Floor]
    ) -> dict[PeriodId, list[object]]:
        rows: dict[PeriodId, list[object]] = {}
        for board, users in touched.items():
            for user in users:
                row = self.boards[board][user]
                is_wanted = (-row.score, row.scored_at) <= (-floors[board][0], floors[board][1])
                if row.partition == partition and (is_wanted or floors[board] == NO_FLOOR):
                    rows.setdefault(board, []).extend((user, row.score, row.scored_at))
        return rows

    def sorted(self, board: PeriodId, partitions: set[Partition] | None = None) -> list[TopRow]:
        rows = self.boards.get(board, {}).values()
        return top_rows([row for row in rows if partitions is None or row.partition in partitions], 10**6)


@settings(deadline=None, max_examples=150)
@given(
    shards=st.integers(1, 4),
    partitions=st.integers(1, 9),
    shown=st.integers(1, 4),
    batches=st.lists(
        st.lists(
            st.tuples(st.sampled_from(USERS), st.integers(1, 3), st.integers(0, 2), st.sampled_from(BOARDS)),
            max_size=12,
        ),
        max_size=12,
    ),
    removals=st.lists(st.integers(0, 200), max_size=12),
    seed=st.integers(0, 1000),
)
def test_tops_equal_a_plain_sort_at_every_batch_boundary(
    *,
    shards: int,
    partitions: int,
    shown: int,
    batches: list[list[tuple[str, int, int, tuple[PeriodId, ...]]]],
    removals: list[int],
    seed: int,
) -> None:
    """Partitions are spread over shards at random; after every batch each shard's tracked rows and the merged top are
    what sorting all rows gives. Now and then a user is removed, whose boards are then read anew."""
    rng = random.Random(seed)
    owners = {Partition(p): rng.randrange(shards) for p in range(partitions)}
    tops = [LocalTop(shown=shown) for _ in range(shards)]
    scores, now = Scores(partitions), 0
    for number, batch in enumerate(batches):
        touched: dict[PeriodId, set[str]] = {}
        for user, points, later, boards in batch:
            now += later
            scores.act(user, points, at=now, boards=boards)
            for board in boards:
                touched.setdefault(board, set()).add(user)
        for partition, owner in owners.items():
            top = tops[owner]
            top.take(partition, scores.reply(partition, touched, floors=top.floors(touched)), names={})
        if number < len(removals):
            remove(scores, tops, owners=owners, number=removals[number])
        for shard, top in enumerate(tops):
            top.settle()
            mine = {partition for partition, owner in owners.items() if owner == shard}
            for board in top.periods:
                rows = scores.sorted(board, mine)
                view = top.view(board)
                assert list(view.rows) == rows[: top.tracked]
                assert view.is_cut or len(rows) <= len(view.rows)
        for board in scores.boards:
            merged = [row for top in tops if board in top.periods for row in top.view(board).rows[:shown]]
            assert top_rows(merged, shown) == scores.sorted(board)[:shown]


def remove(scores: Scores, tops: list[LocalTop], *, owners: dict[Partition, int], number: int) -> None:
    users = sorted({user for rows in scores.boards.values() for user in rows})
    if not users:
        return
    user = users[number % len(users)]
    owner = owners[scores.partition(user)]
    mine = {partition for partition, shard in owners.items() if shard == owner}
    for board, rows in scores.boards.items():
        if rows.pop(user, None) is not None:
            tops[owner].mark_stale([board])
    for board in set(tops[owner].stale):
        found = scores.sorted(board, mine)
        tops[owner].replace(board, found[: tops[owner].tracked], is_cut=len(found) > tops[owner].tracked)


def test_floor_is_the_last_tracked_score_once_rows_were_cut() -> None:
    top = LocalTop(shown=1)
    top.take(P0, {ALL: ["a", 5, 1, "b", 3, 1]}, names={})
    top.settle()
    assert top.floors([TODAY]) == {ALL: NO_FLOOR, TODAY: NO_FLOOR}
    top.take(P0, {ALL: ["c", 4, 1]}, names={})
    top.settle()
    assert top.floors([]) == {ALL: (4, 1)}


def test_change_below_the_shown_rows_is_not_told() -> None:
    top = LocalTop(shown=1)
    top.take(P0, {ALL: ["a", 5, 1]}, names={})
    assert top.settle()
    top.take(P0, {ALL: ["b", 3, 1]}, names={})
    assert not top.settle()
    top.take(P0, {ALL: ["b", 6, 2]}, names={})
    assert top.settle()


def test_name_travels_with_every_row_of_the_user_and_goes_with_an_erase() -> None:
    top = LocalTop(shown=2)
    top.take(P0, {ALL: ["a", 5, 1], TODAY: ["a", 5, 1]}, names={"a": "Ann"})
    top.settle()
    assert [top.view(board).rows[0].name for board in (ALL, TODAY)] == ["Ann", "Ann"]
    top.rename_tracked(P0, {"a": "Anna", "stranger": "Bo"})
    assert top.settle()
    assert top.view(TODAY).rows[0].name == "Anna"
    top.forget_names(["a"])
    top.take(P0, {ALL: ["a", 6, 1]}, names={})
    top.settle()
    assert top.view(ALL).rows[0].name is None


def test_names_of_those_who_left_are_dropped_together() -> None:
    top = LocalTop(shown=1)
    users = [f"u{n}" for n in range(NAMES_SLACK + 10)]
    for score, user in enumerate(users):
        top.take(P0, {ALL: [user, score, 1]}, names={user: user.upper()})
        top.settle()
        if score == NAMES_SLACK:
            assert top.drop_surplus_names() == {}
    assert top.drop_surplus_names() == {P0: users[:-2]}
    assert [row.name for row in top.view(ALL).rows] == [user.upper() for user in (users[-1], users[-2])]


def test_forgotten_board_is_not_shown() -> None:
    top = LocalTop(shown=1)
    top.take(P0, {YESTERDAY: ["a", 1, 1], ALL: ["a", 1, 1]}, names={})
    top.settle()
    top.forget(YESTERDAY)
    assert top.periods == {ALL}
