"""From bytes to rows and back."""

import pytest

from archiver.archive_fold import (
    COLUMNS,
    decode_log,
    ids_of,
    judge_log,
    limits_of,
    points_bound,
    record_of_row,
    seen_since_ms,
)
from archiver.counted_memory import CountedMemory
from contracts.counting import CountingRules
from contracts.ids import ActionId, LogMs, UserId
from contracts.record import ActionRecord, AdjustRecord, HideRecord, Limits, ProfileRecord, Record, encode
from tests.support.apply_model import LogRecord

RULES = CountingRules()
ANN = UserId("ann")


def action(**more: object) -> ActionRecord:
    given: dict[str, object] = {"id": ActionId("a"), "action": "commit", "points": 2, "at": 7, **more}
    return ActionRecord(v=1, user_id=ANN, received_at=5, **given)  # type: ignore[arg-type]


def rows_of(*values: bytes | None) -> list[dict[str, object]]:
    records = [LogRecord(n, 1_000 * n, None, value) for n, value in enumerate(values)]
    judged = judge_log(4, decode_log(records, LogMs(1_500)), memory=CountedMemory(), rules=RULES, book=None)
    return [dict(zip(COLUMNS, row, strict=True)) for row in judged.rows]


@pytest.mark.parametrize(
    "record",
    [
        action(),
        action(name="Ann", keep_until=9, limits=Limits(cap_per_day=3)),
        action(limits=Limits(cooldown_ms=3)),
        action(limits=Limits()),
        action(name="nul\0"),
        action(action="nul\0"),
        action(id=ActionId("nul\0")),
        ProfileRecord(v=1, id=ActionId("p"), user_id=ANN, received_at=0, metadata={"nul\0": "\0"}),
        AdjustRecord(v=1, id=ActionId("j\0"), user_id=ANN, received_at=0, points=-5, at=1, by="m", reason="r"),
        HideRecord(v=1, id=ActionId("h"), user_id=ANN, received_at=0, by="m", reason="r"),
    ],
)
def test_row_gives_back_the_record_exactly(record: Record) -> None:
    (row,) = rows_of(encode(record))
    assert record_of_row(row) == record
    assert not [value for value in row.values() if isinstance(value, str) and "\0" in value]


def test_common_action_is_stored_in_columns_only() -> None:
    (row,) = rows_of(encode(action(name="Ann")))
    assert row["record"] is None


def test_dead_record_keeps_its_place_and_says_why() -> None:
    dead, counted = rows_of(b"{", encode(action()))
    assert (dead["partition"], dead["log_offset"], dead["outcome"], dead["user_id"]) == (4, 0, "dead", None)
    assert dead["reason"]
    assert counted["outcome"] == "counted"


def test_log_time_goes_on_with_every_record_and_never_back() -> None:
    records = [
        LogRecord(0, 900, None, None),
        LogRecord(1, 2_000, None, b"{"),
        LogRecord(2, 1_900, None, encode(action())),
    ]
    assert [entry.log_ms for entry in decode_log(records, LogMs(1_000))] == [1_000, 2_000, 2_000]


def test_asks_for_each_id_and_limit_once() -> None:
    same = encode(action(limits=Limits(1)))
    entries = decode_log([LogRecord(n, 0, None, value) for n, value in enumerate([same, same, b"{"])], LogMs(0))
    assert len(ids_of(entries)) == 1
    assert limits_of(entries) == {(ANN, "commit")}
    assert points_bound(entries) == 4


def test_ids_are_looked_up_from_the_window_before_the_first_record_on() -> None:
    first_ms = 5 * RULES.window_ms + 7
    entries = decode_log([LogRecord(n, first_ms + n * RULES.window_ms, None, b"{") for n in range(2)], LogMs(0))
    assert seen_since_ms(entries, RULES) == 4 * RULES.window_ms
