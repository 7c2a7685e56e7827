"""What entries are compared with: the closed day's ranks on daily boards, the day's end on others; nothing else."""

from msgspec import UNSET

from contracts.ids import PeriodId
from gateway.board_bytes import PreviousRanks
from gateway.movements import KEPT_FACTOR, Movements

DAY, TODAY, ALL = PeriodId("daily:2026-11-23"), PeriodId("daily:2026-11-24"), PeriodId("all_time")


def test_only_new_users_and_boards_are_looked_up() -> None:
    movements = Movements()
    boards = {TODAY: ["a", "b"], ALL: ["a", "z"]}
    assert (movements.unknown_users(boards), movements.unknown_boards(boards)) == ([], [])
    movements.begin(DAY)
    assert (movements.unknown_users(boards), movements.unknown_boards(boards)) == (["a", "b"], [ALL])
    movements.learn_users(["a", "b"], {"a": 7})
    movements.learn_board(ALL, {"a": 3})
    boards[TODAY] = ["a", "b", "c"]
    assert (movements.unknown_users(boards), movements.unknown_boards(boards)) == (["c"], [])
    previous = movements.previous(boards)
    assert previous == {TODAY: PreviousRanks({"a": 7, "b": None}), ALL: PreviousRanks({"a": 3}, are_first_rows=True)}
    assert [previous[TODAY].of(user, 1) for user in "abc"] == [7, None, UNSET]
    assert [previous[ALL].of(user, 100) for user in "az"] == [3, None]
    assert [previous[ALL].of(user, 101) for user in "az"] == [3, UNSET]


def test_another_day_begins_anew_and_the_day_itself_is_compared_with_nothing() -> None:
    movements = Movements()
    movements.begin(DAY)
    movements.learn_users(["a"], {"a": 7})
    movements.learn_board(ALL, {})
    assert movements.previous([DAY, ALL]) == {}
    movements.begin(DAY)
    assert movements.unknown_users({TODAY: ["a"]}) == []
    movements.begin(TODAY)
    assert movements.unknown_users({TODAY: ["a"]}) == ["a"]
    assert movements.unknown_boards([ALL]) == [ALL]
    movements.begin(None)
    assert movements.previous([TODAY, ALL]) == {}


def test_users_who_left_the_board_are_forgotten_in_time() -> None:
    movements = Movements()
    movements.begin(DAY)
    many = [f"u{n}" for n in range(3 * KEPT_FACTOR)]
    movements.learn_users(many, {})
    movements.forget_others({TODAY: ["u1"]})
    assert movements.unknown_users({TODAY: ["u1", "u2"]}) == ["u2"]
