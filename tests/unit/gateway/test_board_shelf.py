"""The shelf never goes back, and knows when to call its boards stale."""

import msgspec

from contracts.ids import PeriodId
from contracts.tops import GlobalTop
from gateway.board_bytes import empty_board
from gateway.board_shelf import BoardShelf

ALL = PeriodId("all_time")


def board(period: PeriodId, version: int) -> GlobalTop:
    return msgspec.structs.replace(empty_board(period), version=version)


def shelf(boards_max: int = 10) -> BoardShelf:
    return BoardShelf(stale_after_s=3.0, boards_max=boards_max)


def version_of(on: BoardShelf, period: PeriodId) -> int | None:
    found = on.board(period, is_current=False)
    return None if found is None else found.version


def test_an_older_version_is_not_taken() -> None:
    on = shelf()
    assert on.put(board(ALL, 5))
    assert not on.put(board(ALL, 4))
    assert not on.put(board(ALL, 5))
    assert on.put(board(ALL, 6))
    assert version_of(on, ALL) == 6


def test_bytes_are_made_once_per_change() -> None:
    on = shelf()
    on.put(board(ALL, 5))
    first = on.ready(ALL, 10, is_current=True)
    assert on.ready(ALL, 10, is_current=True) is first
    on.put(board(ALL, 6))
    second = on.ready(ALL, 10, is_current=True)
    assert second is not None
    assert first is not None
    assert second.etag != first.etag


def test_a_period_that_goes_on_has_an_empty_board_and_a_past_one_none() -> None:
    on = shelf()
    assert on.ready(ALL, 10, is_current=False) is None
    empty = on.ready(ALL, 10, is_current=True)
    assert empty is not None
    assert b'"version":0' in empty.body
    on.put(board(ALL, 1))
    newer = on.ready(ALL, 10, is_current=True)
    assert newer is not None
    assert b'"version":1' in newer.body


def test_boards_are_stale_until_the_merger_is_heard_and_again_when_it_is_silent() -> None:
    on = shelf()
    on.put(board(ALL, 1))
    assert on.is_merger_silent
    on.heard(100.0)
    assert on.judge_silence(103.0)
    fresh = on.ready(ALL, 10, is_current=True)
    assert fresh is not None
    assert b'"stale":false' in fresh.body
    assert not on.judge_silence(103.0)
    assert on.judge_silence(103.1)
    stale = on.ready(ALL, 10, is_current=True)
    assert stale is not None
    assert b'"stale":true' in stale.body


def test_an_old_sign_of_life_does_not_hide_a_newer_one() -> None:
    on = shelf()
    on.heard(100.0)
    on.heard(50.0)
    assert on.silence_s(101.0) == 1.0


def test_the_oldest_board_gives_way() -> None:
    on = shelf(boards_max=2)
    periods = [PeriodId(f"daily:2026-11-2{day}") for day in (3, 1, 2)]
    for version, period in enumerate(periods, start=1):
        on.put(board(period, version))
    assert [version_of(on, period) for period in periods] == [None, 2, 3]


def test_boards_of_the_archive_stand_in_until_the_cache_gives_one() -> None:
    """Even a board of another period ends it, with a lower version too: then the cache is what counts."""
    on = shelf()
    daily = PeriodId("daily:2026-11-24")
    assert on.put_archived([board(ALL, 50), board(daily, 50)]) == {ALL, daily}
    on.heard(100.0)
    on.judge_silence(100.0)
    standing_in = on.ready(ALL, 10, is_current=True)
    assert standing_in is not None
    assert b'"version":50' in standing_in.body
    assert b'"stale":true' in standing_in.body
    assert on.put(board(ALL, 3))
    assert on.judge_silence(100.0), "the board that has no successor changed as well"
    assert not on.judge_silence(100.0)
    assert version_of(on, ALL) == 3
    assert version_of(on, daily) is None
    assert not on.is_stale(ALL)
    assert on.put_archived([board(ALL, 99)]) == set()
    assert version_of(on, ALL) == 3


def test_a_reading_of_the_archive_replaces_the_one_before() -> None:
    on = shelf()
    old, new = PeriodId("daily:2026-11-24"), PeriodId("daily:2026-11-25")
    on.put_archived([board(ALL, 1), board(old, 1)])
    before = on.ready(ALL, 10, is_current=True)
    assert on.put_archived([board(ALL, 1), board(new, 1)]) == {new}
    assert on.ready(ALL, 10, is_current=True) is before
    assert version_of(on, old) is None
    assert on.put_archived([board(ALL, 2), board(new, 2)]) == {ALL, new}
    assert on.ready(ALL, 10, is_current=True) != before


def test_an_archive_that_went_back_is_not_shown() -> None:
    on = shelf()
    on.put_archived([board(ALL, 5)])
    assert on.put_archived([board(ALL, 4)]) == set()
    assert version_of(on, ALL) == 5
