"""The log's count against the model that other tests hold Redis to: two readings of the contracts, written apart."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audit.log_count import LogCount
from contracts.counting import DAY_MS, CountingRules, Outcome
from contracts.ids import SCORE_LIMIT, ActionId, UserId
from contracts.periods import PeriodCalendar
from contracts.record import (
    ActionRecord,
    AdjustRecord,
    EraseRecord,
    HideRecord,
    Limits,
    ProfileRecord,
    Record,
    UnhideRecord,
    VoidRecord,
    encode,
)
from tests.support.apply_model import ApplyModel, LogRecord

RULES = CountingRules()
CALENDAR = PeriodCalendar("all_time,daily,weekly,monthly")
START_MS = 1_769_903_000_000
"""2026-01-31 23:43 UTC: a day, a week and a month end soon."""
USERS = [UserId(user) for user in ("a", "b", "ü")]
ADA = USERS[0]

Step = tuple[int, str, UserId, ActionId, int, int, Limits | None, int | None]
steps = st.lists(
    st.tuples(
        st.sampled_from([-5_000, 0, 1, 1_000, 300_000, 900_000, 2_000_000, DAY_MS, 9 * DAY_MS]),
        st.sampled_from(["action"] * 5 + ["adjust", "void", "hide", "unhide", "erase", "profile", "bad"]),
        st.sampled_from(USERS),
        st.integers(0, 6).map(lambda number: ActionId(f"id{number}")),
        st.sampled_from([1, 10, 1_000_000, -3, 2**52, 2**53 - 1]),
        st.sampled_from([0, 600_000, 3 * DAY_MS]),
        st.sampled_from([None, None, Limits(cap_per_day=1), Limits(cooldown_ms=60_000), Limits(2, DAY_MS)]),
        st.sampled_from([None, None, 0, 4_000_000]),
    ),
    max_size=40,
)
"""How much later, what, by whom, its id, points, how long ago, limits, kept for how long."""


def log_of(steps: list[Step]) -> list[LogRecord]:
    """The log that these steps append."""
    log: list[LogRecord] = []
    now_ms = START_MS
    for offset, step in enumerate(steps):
        now_ms = max(START_MS, now_ms + step[0])
        record = record_of(step, now_ms, offset=offset)
        log.append(LogRecord(offset, now_ms, b"key", b"{}" if record is None else encode(record)))
    return log


def record_of(step: Step, now_ms: int, *, offset: int) -> Record | None:
    _, kind, user, id_, points, ago_ms, limits, keep_ms = step
    head: dict[str, Any] = {"v": 1, "id": id_, "user_id": user, "received_at": now_ms}
    by: dict[str, Any] = {**head, "by": "mod", "reason": "r"}
    at = now_ms - ago_ms
    match kind:
        case "action":
            keep_until = None if keep_ms is None else now_ms + keep_ms
            worth = min(abs(points), 1_000_000)
            return ActionRecord(**head, action="x", points=worth, at=at, limits=limits, keep_until=keep_until)
        case "adjust":
            return AdjustRecord(**by, points=points, at=at)
        case "void":
            void_id = ActionId(f"id{ago_ms % 7}")
            offset = max(0, offset - abs(points) % 4)
            return VoidRecord(
                **by, void_id=void_id, void_offset=offset, void_at=at, void_log_ms=at, points=abs(points) % 11
            )
        case "hide":
            return HideRecord(**by)
        case "unhide":
            return UnhideRecord(**by)
        case "erase":
            return EraseRecord(**by)
        case "profile":
            return ProfileRecord(**head, name="Ann")
    return None


logs = steps.map(log_of)


def count_of(log: list[LogRecord], *, with_scores: bool = True) -> tuple[LogCount, dict[int, Outcome | None]]:
    count = LogCount(RULES, CALENDAR, with_scores=with_scores)
    return count, {record.offset: count.take(record) for record in log}


def action(number: int, at_ms: int, **more: Any) -> LogRecord:
    record = ActionRecord(
        v=1, id=ActionId(f"a{number}"), user_id=ADA, received_at=at_ms, action="commit", points=1, at=at_ms, **more
    )
    return LogRecord(number, at_ms, None, encode(record))


@settings(deadline=None, max_examples=150, print_blob=True)
@given(logs)
def test_it_agrees_with_the_model_after_any_log(log: list[LogRecord]) -> None:
    model = ApplyModel(CALENDAR, RULES)
    model.apply(log)
    count, outcomes = count_of(log)
    assert count.scores is not None
    assert {p: rows for p, rows in count.scores.boards.items() if rows} == {p: r for p, r in model.boards.items() if r}
    assert count.scores.hidden == model.hidden
    assert (count.points, count.counted, count.log_ms) == (model.points, model.counted, model.log_ms)
    assert {offset: outcome for offset, outcome in outcomes.items() if outcome} == model.outcomes
    assert [offset for offset, outcome in outcomes.items() if outcome is None] == model.dead
    assert (count.dead, count.next_offset) == (len(model.dead), len(log))


@settings(deadline=None, max_examples=100, print_blob=True)
@given(logs)
def test_totals_need_no_scores_while_scores_are_exact(log: list[LogRecord]) -> None:
    whole, totals = count_of(log)[0], count_of(log, with_scores=False)[0]
    if totals.points < SCORE_LIMIT:
        assert (totals.points, totals.counted, totals.memory) == (whole.points, whole.counted, whole.memory)


def test_memory_is_bounded_by_log_time() -> None:
    """A month of limited and kept actions leaves two windows, three days and what is still kept."""
    step_ms = RULES.window_ms // 2
    log = [
        action(number, START_MS + number * step_ms, keep_until=START_MS + (number + 3) * step_ms, limits=Limits(9))
        for number in range(30 * DAY_MS // step_ms)
    ]
    memory = count_of(log)[0].memory
    assert len(memory.seen) <= 2
    assert len(memory.caps) <= 3
    assert len(memory.kept) <= 6


def test_the_last_record_is_remembered_as_a_shard_does() -> None:
    assert count_of([])[0].last is None
    last = count_of([LogRecord(0, START_MS, b"123", b"456789")])[0].last
    assert last is not None
    assert last.encode() == f"0:{START_MS}:{0xCBF43926}"  # CRC-32's check value of "123456789"
