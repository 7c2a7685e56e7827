"""What a stream sends: the newest state, only when something visible changed, and nothing that the client has."""

import msgspec

from gateway.board_bytes import BoardAnswer, BoardEntry
from gateway.stream_state import (
    FRAMES_KEPT_MAX,
    Cursor,
    Frame,
    Trail,
    beat_bytes,
    farewell_bytes,
    first_frame,
    next_frame,
)

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


SECOND = after(FIRST, changed(version=8, entries=(BoardEntry(1, "b", "B", 9), BoardEntry(2, "a", "A", 5))))
THIRD = after(SECOND, changed(version=9, entries=(BoardEntry(1, "b", "B", 9), BoardEntry(2, "c", None, 7))))
ENTERED_B = b'event: entered_top\ndata: {"period":"all_time","user_id":"b","name":"B","rank":1,"score":9}\n\n'
ENTERED_C = b'event: entered_top\ndata: {"period":"all_time","user_id":"c","name":null,"rank":2,"score":7}\n\n'
LEFT_A = b'event: left_top\ndata: {"period":"all_time","user_id":"a","name":"A"}\n\n'


def trail_of(*frames: Frame) -> Trail:
    trail = Trail(frames[0])
    for frame in frames[1:]:
        trail.add(frame)
    return trail


def test_who_came_and_went_is_told_before_the_board_from_wherever_the_client_is() -> None:
    trail = trail_of(FIRST, SECOND, THIRD)
    for known, expected in ((FIRST, ENTERED_B + ENTERED_C + LEFT_A), (SECOND, ENTERED_C + LEFT_A)):
        cursor = Cursor(sent_serial=known.serial)
        assert cursor.take(THIRD, BEAT, trail=trail) == expected + THIRD.data
        resumed = Cursor()
        resumed.resume(THIRD, b"%d" % known.version, trail=trail)
        assert resumed.take(THIRD, BEAT, trail=trail) == expected + THIRD.data
    assert Cursor(2).take(THIRD, BEAT, trail=trail) is Cursor(2).take(THIRD, BEAT, trail=trail), "made once for all"
    assert Cursor().take(THIRD, BEAT, trail=trail) == THIRD.data


def test_another_period_s_board_brings_and_takes_nobody() -> None:
    other = after(THIRD, changed(period="daily:2026-11-25", entries=()))
    assert Cursor(3).take(other, BEAT, trail=trail_of(THIRD, other)) == other.data


def test_a_gap_is_told_when_the_board_at_hand_is_not_known_any_more() -> None:
    cursor = Cursor()
    cursor.resume(THIRD, b"5", trail=trail_of(THIRD))
    assert cursor.take(THIRD, BEAT, trail=trail_of(THIRD)) == b'event: gap\ndata: {"since":"5"}\n\n' + THIRD.data
    frames = [FIRST]
    for n in range(FRAMES_KEPT_MAX):
        frames.append(after(frames[-1], changed(version=10 + n, entries=(BoardEntry(1, "a", "A", n),))))
    trail = trail_of(*frames)
    assert Cursor(1).take(frames[-1], BEAT, trail=trail) == b'event: gap\ndata: {"since":null}\n\n' + frames[-1].data
    assert b"gap" not in (Cursor(2).take(frames[-1], BEAT, trail=trail) or b"")


def test_the_own_place_comes_after_the_board_and_alone_when_that_did_not_change() -> None:
    cursor = Cursor(own=b"own")
    assert cursor.take(FIRST, BEAT) == FIRST.data + b"own"
    cursor.own = b"newer"
    assert [cursor.take(FIRST, BEAT), cursor.take(FIRST, BEAT)] == [b"newer", None]
