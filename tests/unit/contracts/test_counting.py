"""What counts depends on the log alone: repeats within two windows, kept ids, caps per day, cooldowns, open boards."""

from dataclasses import dataclass, field, replace

import pytest

from contracts.counting import (
    DAY_MS,
    CountingRules,
    Outcome,
    advance_log_ms,
    day_of,
    judge,
    open_boards,
    window_of,
)
from contracts.ids import ActionId, Id16, LogMs, UserId, Window
from contracts.periods import PeriodCalendar
from contracts.record import ActionRecord, HideRecord, Limits

RULES = CountingRules()
ID = Id16(b"\1" * 16)
NOW = LogMs(1_795_507_200_000)


@dataclass
class Remembered:
    """What counted before, as plain values."""

    seen: set[tuple[Id16, Window]] = field(default_factory=set)
    kept: dict[Id16, int] = field(default_factory=dict)
    used: dict[tuple[tuple[str, str], int], int] = field(default_factory=dict)
    last: dict[tuple[str, str], int] = field(default_factory=dict)

    def has_seen(self, id16: Id16, window: Window) -> bool:
        return (id16, window) in self.seen

    def kept_until(self, id16: Id16) -> int | None:
        return self.kept.get(id16)

    def used_today(self, user_action: tuple[str, str], day: int) -> int:
        return self.used.get((user_action, day), 0)

    def last_received_ms(self, user_action: tuple[str, str]) -> int | None:
        return self.last.get(user_action)


def action(limits: Limits | None = None, received_at: int = NOW) -> ActionRecord:
    return ActionRecord(
        v=1,
        id=ActionId("a"),
        user_id=UserId("u"),
        received_at=received_at,
        action="docs",
        points=5,
        at=received_at,
        limits=limits,
    )


def outcome(record: ActionRecord | HideRecord, before: Remembered) -> Outcome:
    return judge(record, ID, log_ms=NOW, before=before, rules=RULES)


def test_a_new_action_counts() -> None:
    assert outcome(action(), Remembered()) is Outcome.COUNTED


@pytest.mark.parametrize(("windows_ago", "expected"), [(0, Outcome.REPEAT), (1, Outcome.REPEAT), (2, Outcome.COUNTED)])
def test_a_repeat_is_known_in_its_window_and_the_next(windows_ago: int, expected: Outcome) -> None:
    seen = Window(window_of(NOW, RULES) - windows_ago)
    assert outcome(action(), Remembered(seen={(ID, seen)})) is expected


def test_another_id_is_no_repeat() -> None:
    seen = {(Id16(b"\2" * 16), window_of(NOW, RULES))}
    assert outcome(action(), Remembered(seen=seen)) is Outcome.COUNTED


def test_a_control_is_a_repeat_too() -> None:
    hide = HideRecord(v=1, id=ActionId("a"), user_id=UserId("u"), received_at=NOW, by="m", reason="r")
    assert outcome(hide, Remembered(seen={(ID, window_of(NOW, RULES))})) is Outcome.REPEAT
    assert outcome(hide, Remembered()) is Outcome.COUNTED


def test_a_kept_id_is_known_until_its_time() -> None:
    assert outcome(action(), Remembered(kept={ID: NOW})) is Outcome.REPEAT
    assert outcome(action(), Remembered(kept={ID: NOW - 1})) is Outcome.COUNTED


def test_a_cap_counts_per_day_of_log_time() -> None:
    key, limits = ("u", "docs"), Limits(cap_per_day=2)
    assert outcome(action(limits), Remembered(used={(key, day_of(NOW)): 1})) is Outcome.COUNTED
    assert outcome(action(limits), Remembered(used={(key, day_of(NOW)): 2})) is Outcome.CAPPED
    assert outcome(action(limits), Remembered(used={(key, day_of(NOW) - 1): 2})) is Outcome.COUNTED
    assert outcome(action(limits), Remembered(used={(("u", "commit"), day_of(NOW)): 2})) is Outcome.COUNTED


def test_a_cooldown_is_a_distance_of_receipts() -> None:
    limits = Limits(cooldown_ms=60_000)
    assert outcome(action(limits), Remembered(last={("u", "docs"): NOW - 59_999})) is Outcome.CAPPED
    assert outcome(action(limits), Remembered(last={("u", "docs"): NOW - 60_000})) is Outcome.COUNTED
    assert outcome(action(limits), Remembered()) is Outcome.COUNTED


def test_a_repeat_is_told_before_a_cap() -> None:
    before = Remembered(seen={(ID, window_of(NOW, RULES))}, used={(("u", "docs"), day_of(NOW)): 9})
    assert outcome(action(Limits(cap_per_day=1)), before) is Outcome.REPEAT


def test_log_time_never_goes_back() -> None:
    assert advance_log_ms(LogMs(100), 200) == 200
    assert advance_log_ms(LogMs(200), 100) == 200


def test_a_day_is_utc() -> None:
    assert day_of(LogMs(DAY_MS - 1)) == 0
    assert day_of(LogMs(DAY_MS)) == 1


def test_a_board_takes_actions_until_end_and_lateness() -> None:
    calendar = PeriodCalendar("all_time,daily,weekly")
    span = calendar.span_at(NOW)
    day_end = calendar.current("daily", NOW).end_ms
    assert open_boards(span, LogMs(day_end + RULES.lateness_ms - 1), rules=RULES) == span.ids
    assert open_boards(span, LogMs(day_end + RULES.lateness_ms), rules=RULES) == (span.ids[0], span.ids[2])
    week_end = calendar.current("weekly", NOW).end_ms
    assert open_boards(span, LogMs(week_end + RULES.lateness_ms), rules=RULES) == ("all_time",)


def test_default_durations_fit_together() -> None:
    assert RULES.fault() is None


def test_a_window_shorter_than_an_actions_way_is_a_fault() -> None:
    fault = replace(RULES, window_ms=809_999).fault()
    assert fault is not None
    assert "window_ms = 809999" in fault
    assert "= 810000" in fault
    assert replace(RULES, window_ms=810_000).fault() is None


def test_a_lateness_shorter_than_the_accepted_past_is_a_fault() -> None:
    fault = replace(RULES, lateness_ms=659_999).fault()
    assert fault is not None
    assert "lateness_ms = 659999" in fault
