"""The fold: sums, segments in log order, cuts at windows and days, repeats, limits, names and dead letters."""

from typing import Any

import msgspec
import pytest

from contracts.counting import DAY_MS, CountingRules
from contracts.identity import id16_of
from contracts.ids import ActionId, LogMs, Offset, Partition, PeriodId, UserId
from contracts.periods import PeriodCalendar, SpanCache
from contracts.record import ActionRecord, AdjustRecord, EraseRecord, HideRecord, Limits, ProfileRecord, Record, encode
from shard_worker.fold import BATCH_RECORDS_MAX, Batch, Folder, Position
from tests.support.apply_model import LogRecord

P = Partition(3)
RULES = CountingRules()
NOON = 1_769_860_800_000 + 60_000
"""2026-01-31 12:01 UTC: the middle of no window's edge."""
WINDOW = RULES.window_ms
DAY, WEEK = PeriodId("daily:2026-01-31"), PeriodId("weekly:2026-W05")
BOARDS = ["all_time", DAY, WEEK]


def folder() -> Folder:
    return Folder(RULES, SpanCache(PeriodCalendar()))


def act(user: str, id: str, *, points: int = 1, at: int = NOON, **more: Any) -> ActionRecord:  # noqa: A002
    return ActionRecord(
        v=1, id=ActionId(id), user_id=UserId(user), received_at=at, action="commit", points=points, at=at, **more
    )


def log(*records: Record | bytes | tuple[Record, int] | tuple[bytes, int] | None) -> list[LogRecord]:
    """Records in order; (record, append time) where it is not NOON."""
    found: list[LogRecord] = []
    for offset, entry in enumerate(records):
        record, at = entry if isinstance(entry, tuple) else (entry, NOON)
        value = record if isinstance(record, bytes | None) else encode(record)
        found.append(LogRecord(offset, at, b"k", value))
    return found


def fold(records: list[LogRecord], log_ms: int = 0, **more: Any) -> Batch:
    return folder().fold(P, records, before=Position(Offset(records[0].offset), LogMs(log_ms)), **more)


def body(batch: Batch) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.msgpack.decode(batch.body)
    return decoded


def test_actions_are_summed_per_user_and_boards_share_one_list() -> None:
    batch = fold(log(act("a", "1", points=5), act("b", "2", points=7), (act("a", "3", points=10), NOON + 9)))
    assert body(batch)["segments"] == [["fold", [[BOARDS, ["a", NOON + 9, "b", NOON], [15, 7]]]]]
    assert (batch.counted, batch.increments, batch.periods) == (3, 6, set(BOARDS))
    assert batch.after == Position(Offset(3), LogMs(NOON + 9))
    assert batch.ids == b"".join(id16_of(UserId(u), ActionId(i)) for u, i in [("a", "1"), ("b", "2"), ("a", "3")])
    assert body(batch)["runs"] == [2, NOON, 3, NOON + 9]


def test_late_action_counts_where_it_happened_and_each_board_is_written_once() -> None:
    before_midnight = 1_769_903_999_000
    after = before_midnight + 5_000
    batch = fold(log((act("a", "1", points=5, at=before_midnight), after), (act("a", "2", points=7, at=after), after)))
    ((_, groups),) = body(batch)["segments"]
    written = {boards[0]: (flat, points) for boards, flat, points in groups}
    assert written == {
        "all_time": (["a", after], [12]),
        "daily:2026-01-31": (["a", after], [5]),
        "daily:2026-02-01": (["a", after], [7]),
        "weekly:2026-W05": (["a", after], [12]),
    }


def test_scored_at_is_that_of_the_newest_action_whatever_boards_it_was_for() -> None:
    """Of three actions the second is late: on the boards of both days the third one's time counts."""
    before_midnight = 1_769_903_999_000
    after = before_midnight + 5_000
    happened = [(after, after), (before_midnight, after + 1), (after, after + 2)]
    batch = fold(log(*((act("a", str(n), at=at), append_ms) for n, (at, append_ms) in enumerate(happened))))
    ((_, groups),) = body(batch)["segments"]
    assert {boards[0]: flat for boards, flat, _ in groups} == {
        "all_time": ["a", after + 2],
        "daily:2026-01-31": ["a", after + 1],
        "daily:2026-02-01": ["a", after + 2],
        "weekly:2026-W05": ["a", after + 2],
    }


def test_closed_board_takes_nothing_and_all_time_always_does() -> None:
    batch = fold(log((act("a", "1", at=NOON - 9 * DAY_MS), NOON)))
    ((_, groups),) = body(batch)["segments"]
    assert [boards for boards, _, _ in groups] == [["all_time"]]


def test_board_closes_within_a_batch() -> None:
    """Of two actions of the same moment the second is appended after the day's board closed."""
    rules = CountingRules(lateness_ms=660_000)
    closes = 1_769_904_000_000 + rules.lateness_ms
    happened = 1_769_903_999_000
    batch = fold(log((act("a", "1", at=happened), closes - 1), (act("b", "2", at=happened), closes)))
    ((_, groups),) = body(batch)["segments"]
    per_user = {user: {boards[0] for boards, flat, _ in groups if user in flat} for user in "ab"}
    assert per_user == {"a": {"all_time", "daily:2026-01-31", "weekly:2026-W05"}, "b": {"all_time", "weekly:2026-W05"}}


@pytest.mark.parametrize("step_ms", [WINDOW, DAY_MS])
def test_batch_never_spans_two_windows_or_days(step_ms: int) -> None:
    records = log(act("a", "1"), (act("a", "2"), NOON + step_ms), (act("a", "3"), NOON))
    batches = folder().fold_all(P, records, before=Position(Offset(0), LogMs(0)))
    assert [len(batch.records) for batch in batches] == [1, 2]
    assert batches[1].before == batches[0].after
    assert batches[1].after.log_ms == NOON + step_ms, "log time never goes back"


def test_log_time_before_the_batch_decides_its_window() -> None:
    """The stored log time is ahead of the records' append times: a leader with a slow clock."""
    batch = fold(log(act("a", "1"), act("a", "2")), log_ms=NOON + 5 * WINDOW)
    assert (len(batch.records), batch.after.log_ms) == (2, NOON + 5 * WINDOW)


def test_batch_is_bounded() -> None:
    records = log(*(act("a", str(n)) for n in range(BATCH_RECORDS_MAX + 1)))
    batches = folder().fold_all(P, records, before=Position(Offset(0), LogMs(0)))
    assert [len(batch.records) for batch in batches] == [BATCH_RECORDS_MAX, 1]


def test_same_id_twice_counts_once() -> None:
    batch = fold(log(act("a", "1", points=5), act("a", "1", points=5), act("b", "1", points=5)))
    assert (batch.counted, batch.repeats) == (2, 1)
    assert body(batch)["points"] == 10


def test_an_id_that_comes_again_is_asked_about_again() -> None:
    """If it counted before, one reply tells all of them."""
    batch = fold(log(act("a", "1"), act("b", "1"), act("a", "1"), act("b", "2"), act("a", "1")))
    ids = [batch.ids[start : start + 16] for start in range(0, len(batch.ids), 16)]
    assert batch.offsets == [0, 1, 2, 3, 4]
    assert batch.again == {2, 4}
    assert ids[0] == ids[2] == ids[4]
    assert len(set(ids)) == 3


def test_repeat_of_a_limited_action_begins_another_batch() -> None:
    """Only Redis knows whether the first one counted; if it did not, the second one may."""
    limited = act("a", "1", limits=Limits(cap_per_day=1))
    batch = fold(log(limited, act("b", "2"), limited))
    assert len(batch.records) == 2
    field = id16_of(UserId("a"), ActionId("commit")).hex()
    assert body(batch)["limited"] == [[1, field, 1, 0, NOON]]


def test_batch_that_a_limited_repeat_ends_stands_at_its_own_last_records_time() -> None:
    """Not at that of the record which begins the next batch: the archive stands at neither otherwise."""
    limited = act("a", "1", limits=Limits(cap_per_day=3))
    batch = fold(log(limited, act("b", "2"), (act("a", "1"), NOON + 5)))
    assert batch.after == Position(Offset(2), LogMs(NOON))
    assert (body(batch)["log_ms"], body(batch)["runs"]) == (NOON, [2, NOON])


def test_controls_end_a_fold_and_keep_the_logs_order() -> None:
    base: dict[str, Any] = {"v": 1, "user_id": UserId("a"), "received_at": 0}
    moderated: dict[str, Any] = {**base, "by": "m", "reason": "r"}
    batch = fold(
        log(
            act("a", "1", name="Ann"),
            HideRecord(id=ActionId("h"), **moderated),
            act("a", "2"),
            AdjustRecord(id=ActionId("j"), points=-5, at=NOON, **moderated),
            EraseRecord(id=ActionId("e"), **moderated),
            act("a", "3"),
            ProfileRecord(id=ActionId("p"), name="Anna", **base),
        )
    )
    segments = body(batch)["segments"]
    assert [segment[0] for segment in segments] == ["fold", "hide", "fold", "adjust", "erase", "name", "fold"]
    assert segments[1][2] == {"all_time": "all_time", "daily": DAY, "weekly": WEEK}
    assert segments[3][2:] == [-5, BOARDS]
    assert segments[4][3] == 4
    assert (batch.names, batch.erased, body(batch)["points"]) == ({"a": "Anna"}, ["a"], 8)


def test_erase_forgets_the_name_that_came_before_it() -> None:
    erase = EraseRecord(v=1, id=ActionId("e"), user_id=UserId("a"), received_at=0, by="m", reason="r")
    batch = fold(log(act("a", "1", name="Ann"), erase, act("a", "2")))
    assert batch.names == {}


def test_bad_bytes_are_dead_but_move_offset_and_log_time() -> None:
    batch = fold(log(act("a", "1"), (b"{", NOON + 5), None))
    assert [(letter.record.offset, letter.partition) for letter in batch.dead] == [(1, P), (2, P)]
    assert all(letter.reason for letter in batch.dead)
    assert batch.after == Position(Offset(3), LogMs(NOON + 5))
    assert body(batch)["last"].split(":")[0] == "2"


def test_skipped_records_move_the_position_only() -> None:
    records = log(act("a", "1", points=5), act("b", "2", points=7))
    batch = fold(records, skip={0})
    assert body(batch)["segments"] == [["fold", [[BOARDS, ["b", NOON], [7]]]]]
    assert (batch.offsets, batch.after, batch.skipped) == ([1], fold(records).after, {0})


def test_kept_ids_carry_their_number() -> None:
    assert body(fold(log(act("a", "1"), act("b", "2", keep_until=NOON + 7))))["keep"] == [[2, NOON + 7]]
