"""What counted before, as far as rules look back."""

from typing import Any

from audit.counted_before import CountedMemory
from contracts.counting import DAY_MS, CountingRules
from contracts.identity import id16_of
from contracts.ids import ActionId, LogMs, UserId, Window
from contracts.record import ActionRecord, EraseRecord, Limits, VoidRecord

RULES = CountingRules()
ADA = UserId("ada")
ID16 = id16_of(ADA, ActionId("1"))
W = RULES.window_ms
BY: dict[str, Any] = {"v": 1, "id": ActionId("m"), "user_id": ADA, "received_at": 0, "by": "m", "reason": "r"}


def act(memory: CountedMemory, log_ms: int, *, limits: Limits | None = None, keep_until: int | None = None) -> None:
    record = ActionRecord(
        v=1, id=ActionId("1"), user_id=ADA, received_at=log_ms, action="x", points=1, at=log_ms, limits=limits,
        keep_until=keep_until,
    )  # fmt: skip
    memory.remember(record, ID16, log_ms=LogMs(log_ms), offset=0)


def void_of(offset: int) -> VoidRecord:
    return VoidRecord(**BY, void_id=ActionId("1"), void_offset=offset, void_at=0, void_log_ms=0, points=1)


def test_ids_are_remembered_for_their_window_and_the_next() -> None:
    memory = CountedMemory(RULES)
    act(memory, 10 * W)
    memory.forget_old(LogMs(12 * W - 1))
    assert memory.has_seen(ID16, Window(10))
    memory.forget_old(LogMs(12 * W))
    assert not memory.has_seen(ID16, Window(10))


def test_kept_ids_end_after_their_time() -> None:
    memory = CountedMemory(RULES)
    act(memory, 5, keep_until=100)
    memory.forget_expired(LogMs(100))
    assert memory.kept_until(ID16) == 100
    memory.forget_expired(LogMs(101))
    assert memory.kept_until(ID16) is None


def test_uses_are_counted_per_day_and_the_newest_is_known_for_two_days_more() -> None:
    memory, key = CountedMemory(RULES), (str(ADA), "x")
    act(memory, 1)
    assert memory.used_today(key, 0) == 0
    for log_ms in (2, 3, DAY_MS):
        act(memory, log_ms, limits=Limits(cap_per_day=5))
    assert [memory.used_today(key, day) for day in (0, 1, 2)] == [2, 1, 0]
    assert memory.last_received_ms(key) == DAY_MS
    memory.forget_old(LogMs(3 * DAY_MS))
    assert memory.last_received_ms(key) == DAY_MS
    memory.forget_old(LogMs(4 * DAY_MS))
    assert memory.last_received_ms(key) is None


def test_a_void_takes_effect_once_and_not_across_an_erase() -> None:
    memory = CountedMemory(RULES)
    assert memory.takes_effect(void_of(5))
    memory.remember(void_of(5), ID16, log_ms=LogMs(1), offset=6)
    assert not memory.takes_effect(void_of(5))
    memory = CountedMemory(RULES)
    memory.remember(EraseRecord(**BY), ID16, log_ms=LogMs(1), offset=6)
    assert not memory.takes_effect(void_of(5))
    assert memory.takes_effect(void_of(6))
