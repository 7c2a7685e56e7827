"""What a stream is told of its own user: each change once, nothing of hidden ones to others; whose turn it is."""

import json

import pytest

from contracts.ids import LogMs, PeriodId, UserId
from gateway.own_place import USERS_PER_TICK_MAX, Watch, Watches, look
from gateway.rank_counts import Place

ALL, DAY = PeriodId("all_time"), PeriodId("daily:2026-11-24")


def place(rank: int, score: int, *, is_hidden: bool = False) -> Place:
    return Place(UserId("ada"), score, LogMs(1), rank, 9, score + 5, is_hidden, ())


def watch(*, is_self: bool = False) -> tuple[Watch, list[bytes]]:
    told: list[bytes] = []
    return Watch(UserId("ada"), lambda: ALL, is_self=is_self, tell=told.append), told


def events(told: bytes) -> list[tuple[str, dict[str, object]]]:
    found = []
    for event in told.decode().strip().split("\n\n"):
        name, data = event.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_each_change_is_told_once() -> None:
    ada, told = watch()
    for rank, score in ((3, 10), (3, 10), (2, 20), (2, 20)):
        look(ada, ALL, place=place(rank, score), as_of_ms=7)
    assert [events(each) for each in told] == [
        [("you", {"period": ALL, "user_id": "ada", "rank": 3, "score": 10, "total": 9, "to_next": 5, "as_of": 7})],
        [("you", {"period": ALL, "user_id": "ada", "rank": 2, "score": 20, "total": 9, "to_next": 5, "as_of": 7})],
    ]


@pytest.mark.parametrize(
    ("after", "is_overtaken"),
    [(place(4, 10), True), (place(4, 12), True), (place(4, 9), False), (place(2, 10), False), (None, False)],
)
def test_overtaken_is_who_falls_back_without_losing_points(after: Place | None, is_overtaken: bool) -> None:
    ada, told = watch()
    look(ada, ALL, place=place(3, 10), as_of_ms=7)
    look(ada, ALL, place=after, as_of_ms=8)
    names = [name for name, _ in events(told[1])]
    assert names == (["overtaken", "you"] if is_overtaken else ["you"])
    if is_overtaken and after is not None:
        assert events(told[1])[0][1] == {"period": ALL, "rank": 4, "previous_rank": 3, "score": after.score}


def test_the_next_board_overtakes_nobody() -> None:
    ada, told = watch()
    look(ada, ALL, place=place(1, 10), as_of_ms=7)
    look(ada, DAY, place=place(5, 10), as_of_ms=8)
    assert [name for name, _ in events(told[1])] == ["you"]


@pytest.mark.parametrize(("is_self", "rank"), [(True, 3), (False, None)])
def test_a_hidden_user_is_told_to_himself_only(is_self: bool, rank: int | None) -> None:
    ada, told = watch(is_self=is_self)
    look(ada, ALL, place=place(3, 10, is_hidden=True), as_of_ms=7)
    assert events(told[0])[0][1]["rank"] == rank


def test_a_tick_looks_at_a_bounded_number_and_everybody_has_a_turn() -> None:
    watches = Watches()
    streams = [watch()[0] for _ in range(2 * USERS_PER_TICK_MAX + 1)]
    for stream in streams:
        watches.add(stream)
    seen: set[int] = set()
    for _ in range(3):
        turn = watches.next_turn()[ALL]
        assert len(turn) == USERS_PER_TICK_MAX
        seen |= {id(each) for each in turn}
    assert seen == {id(stream) for stream in streams}
    new = watch()[0]
    watches.add(new)
    assert watches.next_turn()[ALL][0] is new
    for stream in (*streams, new, new):
        watches.remove(stream)
    assert (len(watches), watches.next_turn()) == (0, {})
