"""What a flush writes beside the scores: names, the moderation log, and what remains of an erased user."""

import pytest

from archiver.postgres_places import PositionMoved
from contracts.ids import ActionId, UserId
from contracts.record import EraseRecord, HideRecord, ProfileRecord, Record, VoidRecord, encode
from tests.support.apply_model import LogRecord
from tests.support.archives import ANN, BOB, Archive, act
from tests.support.histories import START_MS


def test_newest_name_wins_and_an_erase_takes_it(archives: Archive) -> None:
    place = archives.begin()
    profile = ProfileRecord(v=1, id=ActionId("p"), user_id=ANN, received_at=0, metadata={"team": "x\0"})
    named = [act(0, name="Old"), act(1, name="New"), LogRecord(2, START_MS, None, encode(profile)), act(3, user=BOB)]
    archives.archive(place, named)
    archives.flush(place)
    users = "SELECT user_id, name, metadata ->> 'team' FROM users WHERE partition = $1"
    assert archives.fetch(users) == [(ANN, "New", "x\ufffd")]
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=ANN, received_at=0, by="mod", reason="asked for it")
    archives.archive(place, [LogRecord(4, START_MS, None, encode(erase)), act(5)])
    archives.flush(place)
    assert archives.fetch(users) == []
    assert archives.fetch("SELECT log_offset FROM actions WHERE partition = $1 ORDER BY 1") == [(3,), (5,)]
    assert archives.fetch("SELECT kind, user_id, moderator, reason FROM moderation_log WHERE partition = $1") == [
        ("erase", None, "mod", "asked for it")
    ]
    assert archives.snapshot()["scores"]["all_time", ANN] == (1, START_MS + 5)


def test_repeat_of_an_erased_users_action_is_still_a_repeat(archives: Archive) -> None:
    place = archives.begin()
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=ANN, received_at=0, by="mod", reason="r")
    archives.archive(place, [act(0), LogRecord(1, START_MS, None, encode(erase))])
    archives.flush(place)
    again = LogRecord(2, START_MS + 1, None, act(0).value)
    archives.archive(archives.restart(), [again])
    assert archives.fetch("SELECT log_offset, outcome FROM actions WHERE partition = $1") == [(2, "repeat")]


def test_zombie_does_not_bring_erased_rows_back(archives: Archive) -> None:
    """The rows are gone, so that no key stops it: its position alone does."""
    zombie, other = archives.begin(), archives.restart()
    archives.archive(other, [act(0), _control(EraseRecord, 1)])
    archives.flush(other)
    with pytest.raises(PositionMoved):
        archives.archive(zombie, [act(0)])
    assert archives.fetch("SELECT * FROM actions WHERE partition = $1") == []
    assert archives.fetch("SELECT raw_next FROM archive_progress WHERE partition = $1") == [(2,)]


def test_moderation_is_logged_with_its_effect(archives: Archive) -> None:
    place = archives.begin()
    void = VoidRecord(
        v=1, id=ActionId("v"), user_id=ANN, received_at=0, void_id=ActionId("a0"), void_offset=0, void_at=START_MS,
        void_log_ms=START_MS, points=7, by="mod", reason="cheat",
    )  # fmt: skip
    again = VoidRecord(
        v=1, id=ActionId("w"), user_id=ANN, received_at=0, void_id=ActionId("a0"), void_offset=0, void_at=START_MS,
        void_log_ms=START_MS, points=7, by="mod", reason="again",
    )  # fmt: skip
    records = [
        act(0, points=7),
        LogRecord(1, START_MS, None, encode(void)),
        LogRecord(2, START_MS, None, encode(again)),
    ]
    archives.archive(place, records)
    archives.flush(place)
    log = "SELECT log_offset, kind, user_id, points, void_offset FROM moderation_log WHERE partition = $1 ORDER BY 1"
    assert archives.fetch(log) == [(1, "void", ANN, -7, 0), (2, "void", ANN, 0, 0)]


def _control(kind: type, offset: int) -> LogRecord:
    record: Record = kind(v=1, id=ActionId(f"c{offset}"), user_id=ANN, received_at=0, by="mod", reason="r")
    return LogRecord(offset, START_MS + offset, None, encode(record))


def test_hidden_user_is_parked_across_restarts(archives: Archive) -> None:
    place = archives.begin()
    archives.archive(place, [act(0, points=5), _control(HideRecord, 1)])
    archives.flush(place)
    place = archives.restart()
    archives.archive(place, [act(2, points=2)])
    archives.flush(archives.restart())
    assert archives.fetch("SELECT * FROM scores WHERE partition = $1") == []
    assert archives.snapshot()["hidden"][ANN]["all_time"] == (7, START_MS + 2)


def test_erase_takes_the_user_from_closed_boards_and_snapshots_too(archives: Archive) -> None:
    """Of a closed board the row stays, without the user: everybody else keeps place and rank."""
    place = archives.begin()
    archives.archive(place, [act(0), act(1, user=BOB)])
    archives.flush(place)
    for user in (ANN, BOB):
        board = f"INSERT INTO leaderboards VALUES ('daily:2026-01-30', '{user}', 1, 1, 1, 1, false)"  # noqa: S608
        archives.run(archives.connection.execute(board))
        top = f"INSERT INTO board_snapshots VALUES ('all_time', 1, ascii('{user}'), 1, '{user}', 1, 1)"  # noqa: S608
        archives.run(archives.connection.execute(top))
    archives.archive(place, [_control(EraseRecord, 2)])
    archives.flush(place)
    for table in ("board_snapshots", "scores"):
        users = archives.run(archives.connection.fetch(f"SELECT DISTINCT user_id FROM {table}"))  # noqa: S608
        assert [tuple(row) for row in users] == [(BOB,)]
    rows = archives.run(archives.connection.fetch("SELECT user_id, erased, score, place FROM leaderboards ORDER BY 1"))
    assert [tuple(row) for row in rows] == [(BOB, False, 1, 1), ("erased", True, 1, 1)]


def test_a_user_whose_id_is_erased_is_erased_like_any_other(archives: Archive) -> None:
    place, user = archives.begin(), UserId("erased")
    board = "INSERT INTO leaderboards VALUES ('daily:2026-01-29', 'erased', $1, 1, 1, $2, false, $3)"
    for score, place_in_board, is_erased in ((9, 1, True), (8, 2, True), (7, 3, False)):
        archives.run(archives.connection.execute(board, score, place_in_board, is_erased))
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=user, received_at=0, by="mod", reason="asked for it")
    archives.archive(place, [LogRecord(0, START_MS, None, encode(erase))])
    archives.flush(place)
    left = "SELECT count(*) FROM leaderboards WHERE period = 'daily:2026-01-29' AND NOT erased"
    assert archives.run(archives.connection.fetchval(left)) == 0
