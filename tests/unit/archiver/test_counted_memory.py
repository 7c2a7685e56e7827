"""What is remembered of limits, ids and kept ids."""

from archiver.counted_memory import CapUse, CountedMemory
from contracts.counting import CAP_DAYS_BEFORE, DAY_MS, CountingRules
from contracts.ids import ActionId, Id16, LogMs, UserId, Window
from contracts.record import ActionRecord, Limits, ProfileRecord

RULES = CountingRules()
KEY = ("ann", "commit")
ID = Id16(b"x" * 16)
KEPT = Id16(b"k" * 16)


def action(**more: object) -> ActionRecord:
    return ActionRecord(
        v=1, id=ActionId("a"), user_id=UserId("ann"), received_at=77, action="commit", points=1, at=0, **more  # type: ignore[arg-type]
    )  # fmt: skip


def test_id_is_seen_in_its_newest_window_only() -> None:
    memory = CountedMemory()
    memory.remember(action(), ID, log_ms=LogMs(5 * RULES.window_ms), rules=RULES)
    assert memory.has_seen(ID, Window(5))
    assert not memory.has_seen(ID, Window(4))
    assert (memory.new_kept, memory.new_caps) == ({}, {})


def test_new_day_begins_at_zero_but_the_cooldown_lasts() -> None:
    memory = CountedMemory(caps={KEY: CapUse(day=1, used=3, last_received_ms=50)})
    memory.move_to(LogMs(2 * DAY_MS))
    assert (memory.used_today(KEY, 2), memory.last_received_ms(KEY)) == (0, 50)
    memory.remember(action(limits=Limits(5)), ID, log_ms=LogMs(2 * DAY_MS), rules=RULES)
    assert memory.new_caps == {KEY: CapUse(2, 1, 77)}
    memory.remember(action(limits=Limits(5)), ID, log_ms=LogMs(2 * DAY_MS + 1), rules=RULES)
    assert memory.new_caps == {KEY: CapUse(2, 2, 77)}


def test_limits_used_too_long_ago_are_forgotten_as_in_redis() -> None:
    memory = CountedMemory(caps={KEY: CapUse(day=1, used=3, last_received_ms=50)})
    memory.move_to(LogMs((1 + CAP_DAYS_BEFORE) * DAY_MS))
    assert memory.last_received_ms(KEY) == 50
    memory.move_to(LogMs((2 + CAP_DAYS_BEFORE) * DAY_MS))
    assert memory.last_received_ms(KEY) is None


def test_kept_id_is_remembered_until_its_time() -> None:
    memory = CountedMemory()
    memory.remember(action(keep_until=123), ID, log_ms=LogMs(0), rules=RULES)
    assert (memory.kept_until(ID), memory.new_kept) == (123, {ID: 123})


def test_only_an_action_without_limits_and_past_is_taken_unasked() -> None:
    """Each of the other cases depends on what counted before, or must be remembered: the rule decides."""
    new = Id16(b"n" * 16)
    memory = CountedMemory(seen={ID: Window(0)}, kept={KEPT: 5})
    assert memory.knows_nothing_of(action(), new)
    assert not memory.knows_nothing_of(action(), ID)
    assert not memory.knows_nothing_of(action(), KEPT)
    assert not memory.knows_nothing_of(action(limits=Limits(1)), new)
    assert not memory.knows_nothing_of(action(keep_until=9), new)
    profile = ProfileRecord(v=1, id=ActionId("p"), user_id=UserId("ann"), received_at=0, name="Ann")
    assert not memory.knows_nothing_of(profile, new)
