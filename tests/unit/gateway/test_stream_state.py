"""What a stream sends: the newest state, only when something visible changed, and nothing that the client has."""

import msgspec

from gateway.board_bytes import BoardAnswer, BoardEntry
from gateway.stream_state import Cursor, Frame, beat_bytes, farewell_bytes, first_frame, next_frame

BOARD = BoardAnswer(
    "all_time", 7, 100, complete=True, stale=False, stale_shards=(), entries=(BoardEntry(1, "a", "A", 5),)
)
BEAT = b"beat"


def body(answer: BoardAnswer) -> bytes:
    return msgspec.json.encode(answer)


def changed(**fields: object) -> BoardAnswer:
    return msgspec.structs.replace(BOARD, **fields)


def after(last: Frame, answer: BoardAnswer) -> Frame:
    return next_frame(last, answer, body=body(answer))


FIRST = first_frame(BOARD, body(BOARD))


def test_a_frame_is_one_event_with_the_version_as_id() -> None:
    assert FIRST.data == b"event: board\nid: 7\ndata: " + body(BOARD) + b"\n\n"


def test_a_new_client_gets_the_state_and_then_waits() -> None:
    cursor = Cursor()
    assert cursor.take(FIRST, BEAT) == FIRST.data
    assert cursor.take(FIRST, BEAT) is None


def test_a_client_with_the_current_version_gets_nothing_until_it_changes() -> None:
    cursor = Cursor()
    cursor.resume(FIRST, b"7")
    assert cursor.take(FIRST, BEAT) is None
    newer = after(FIRST, changed(version=8, entries=()))
    assert cursor.take(newer, BEAT) == newer.data


def test_a_client_with_another_version_or_a_stale_board_gets_the_state() -> None:
    stale = first_frame(changed(stale=True), b"{}")
    for frame, held in ((FIRST, b"6"), (FIRST, b""), (stale, b"7")):
        cursor = Cursor()
        cursor.resume(frame, held)
        assert cursor.take(frame, BEAT) == frame.data


def test_a_stale_board_clears_the_client_s_id_so_that_the_fresh_one_is_sent_again() -> None:
    assert b"\nid:\n" in first_frame(changed(stale=True), b"{}").data


def test_a_version_without_a_visible_change_is_not_sent() -> None:
    assert after(FIRST, changed(version=8, as_of=200)) is FIRST


def test_every_visible_change_is_sent() -> None:
    changes = (
        changed(period="daily:2026-11-24"),
        changed(stale=True),
        changed(stale_shards=("s1",)),
        changed(complete=False),
        changed(entries=(BoardEntry(1, "a", "B", 5),)),
    )
    frames = [after(FIRST, change) for change in changes]
    assert [frame.serial for frame in frames] == [2] * len(changes)


def test_a_slow_client_gets_only_the_newest() -> None:
    cursor = Cursor()
    cursor.take(FIRST, BEAT)
    second = after(FIRST, changed(version=8, entries=()))
    third = after(second, changed(version=9))
    assert cursor.take(third, BEAT) == third.data
    assert cursor.take(third, BEAT) is None


def test_a_beat_is_owed_only_if_nothing_else_was_sent() -> None:
    cursor = Cursor()
    cursor.owes_beat = True
    assert cursor.take(FIRST, BEAT) == FIRST.data
    assert cursor.take(FIRST, BEAT) is None
    cursor.owes_beat = True
    assert cursor.take(FIRST, BEAT) == BEAT
    assert cursor.take(FIRST, BEAT) is None


def test_a_beat_is_an_event_that_scripts_see_and_a_farewell_none() -> None:
    assert beat_bytes(BOARD) == (
        b'event: heartbeat\ndata: {"period":"all_time","version":7,"as_of":100,"stale":false}\n\n'
    )
    assert farewell_bytes(1500) == b"retry: 1500\n\n"
