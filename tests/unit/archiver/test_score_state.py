"""One user's state, kind by kind."""

from archiver.score_state import UserState
from contracts.ids import SCORE_LIMIT, Id16, PeriodId

ALL, DAY = PeriodId("all_time"), PeriodId("daily:2026-11-24")
VOID = Id16(b"v" * 16)


def is_open(period: PeriodId) -> bool:
    return period == ALL


def test_hidden_score_goes_on_counting_and_returns_as_it_would_stand() -> None:
    state = UserState()
    assert state.add(5, (ALL,), scored_at=10)
    state.hide(is_open)
    state.hide(is_open)
    assert state.add(2, (ALL,), scored_at=20)
    assert (state.boards, state.parked) == ({}, {ALL: (7, 20)})
    state.unhide(is_open)
    assert (state.boards, state.parked) == ({ALL: (7, 20)}, None)


def test_board_that_closed_meanwhile_is_neither_parked_nor_brought_back() -> None:
    state = UserState(boards={ALL: (1, 1), DAY: (1, 1)})
    state.hide(is_open)
    assert (state.boards, state.parked) == ({DAY: (1, 1)}, {ALL: (1, 1)})
    state.parked = {ALL: (1, 1), DAY: (2, 2)}
    state.unhide(is_open)
    assert state.boards == {ALL: (1, 1), DAY: (1, 1)}


def test_score_that_would_leave_its_bounds_changes_no_board() -> None:
    state = UserState(boards={ALL: (SCORE_LIMIT - 2, 1), DAY: (0, 0)})
    assert not state.add(2, (DAY, ALL), scored_at=2)
    assert state.boards == {ALL: (SCORE_LIMIT - 2, 1), DAY: (0, 0)}
    assert state.add(1, (DAY, ALL), scored_at=2)


def test_action_is_voided_once_and_never_after_an_erase() -> None:
    state = UserState(boards={ALL: (9, 1)})
    assert state.void(4, (ALL,), void16=VOID, void_offset=3) == 4
    assert state.void(4, (ALL,), void16=VOID, void_offset=3) == 0
    state.erase(10)
    assert state.void(4, (ALL,), void16=Id16(b"w" * 16), void_offset=9) == 0
    assert (state.boards, state.parked, state.erased_at) == ({}, None, 10)
