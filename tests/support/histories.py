"""Logs of one partition as hypothesis makes them: repeats, limits, kept ids, every control, bad bytes, changes of
window, day and period, scores near their bounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

from contracts.counting import DAY_MS, CountingRules
from contracts.ids import ActionId, UserId
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
from tests.support.apply_model import LogRecord

USERS = [UserId(user) for user in ("a", "b", "ü", "z" * 128)]
RULES = CountingRules()
CALENDAR = PeriodCalendar("all_time,daily@Europe/Paris,weekly,monthly")
START_MS = 1_769_899_400_000
"""2026-01-31 22:43 UTC: a day of Paris ends soon, then a day, a week and a month of UTC."""
BIG = 2**53 - 1

STEPS_MS = [-5_000, 0, 1, 1_000, 300_000, 900_000, 2_000_000, DAY_MS, 9 * DAY_MS]
LIMITS = [None, Limits(cap_per_day=2), Limits(cooldown_ms=60_000), Limits(1, DAY_MS), Limits()]
KEEP_MS = [None, 0, 1, 4_000_000, 20 * DAY_MS]
KINDS = ["act", "adjust", "void", "hide", "unhide", "erase", "profile", "nonsense"]
fresh_ids = st.integers(0, 2**62).map(lambda n: ActionId(f"m{n}"))
T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[Any]], Any]


@dataclass(frozen=True, slots=True)
class Mood:
    """What one log is about. Few choices make what matters happen often; over many logs every mixture comes."""

    users: list[UserId]
    ids: list[ActionId]
    steps_ms: list[int]
    limits: list[Limits | None]
    keep_ms: list[int | None]
    kinds: list[str]


def some(values: Sequence[T]) -> st.SearchStrategy[list[T]]:
    """A few of them."""
    return st.lists(st.sampled_from(values), min_size=1, max_size=3)


moods = st.builds(
    Mood,
    users=some(USERS),
    ids=st.sampled_from([[ActionId("a")], [ActionId(f"id{n}") for n in range(6)], [ActionId("nul\0"), ActionId("b")]]),
    steps_ms=some(STEPS_MS),
    limits=some(LIMITS),
    keep_ms=some(KEEP_MS),
    kinds=some(KINDS).map(lambda kinds: ["act", "act", *kinds]),
)


@st.composite
def histories(draw: Draw, *, records_max: int = 40) -> list[LogRecord]:
    """A log from offset 0."""
    mood: Mood = draw(moods)
    log: list[LogRecord] = []
    acted: list[tuple[ActionRecord, LogRecord]] = []
    now_ms = START_MS
    for kind in draw(st.lists(st.sampled_from(mood.kinds), min_size=1, max_size=records_max)):
        now_ms = max(START_MS, now_ms + draw(st.sampled_from(mood.steps_ms)))
        value: bytes | None
        if kind == "act":
            action = _action(draw, mood, now_ms=now_ms)
            value = encode(action)
            acted.append((action, LogRecord(len(log), now_ms, b"key", value)))
        elif kind == "void" and acted:
            action, stored = draw(st.sampled_from(acted))
            value = encode(_void(draw, action, stored=stored))
        elif kind in ("nonsense", "void"):
            value = draw(
                st.sampled_from([None, b"", b"{", b"\xff\xfe", b'{"kind":"action","v":2}', b'{"kind":"\\u0000"}'])
            )
        else:
            value = encode(_control(draw, mood, kind=kind, now_ms=now_ms))
        log.append(LogRecord(len(log), now_ms, b"key", value))
    return log


def _action(draw: Draw, mood: Mood, *, now_ms: int) -> ActionRecord:
    keep_ms = draw(st.sampled_from(mood.keep_ms))
    return ActionRecord(
        v=1,
        id=draw(st.one_of(st.sampled_from(mood.ids), fresh_ids)),
        user_id=draw(st.sampled_from(mood.users)),
        received_at=now_ms,
        action=draw(st.sampled_from(["commit", "commit", "nul\0"])),
        points=draw(st.sampled_from([1, 1, 2, 10])),
        at=now_ms - draw(st.sampled_from([0, 0, 600_000, -60_000, 3 * DAY_MS])),
        name=draw(st.sampled_from([None, None, "Ann", "Bö", "N\0"])),
        limits=draw(st.sampled_from(mood.limits)),
        keep_until=None if keep_ms is None else now_ms + keep_ms,
    )


def _void(draw: Draw, action: ActionRecord, *, stored: LogRecord) -> VoidRecord:
    return VoidRecord(
        v=1,
        id=draw(fresh_ids),
        user_id=action.user_id,
        received_at=0,
        void_id=action.id,
        void_offset=stored.offset,
        void_at=action.at,
        void_log_ms=stored.timestamp,
        points=action.points,
        by="m",
        reason="r\0",
    )


def _control(draw: Draw, mood: Mood, *, kind: str, now_ms: int) -> Record:
    user = draw(st.sampled_from(mood.users))
    if kind == "adjust":
        points = draw(st.sampled_from([-3, 5, 0, BIG, -BIG, BIG // 2]))
        return AdjustRecord(
            v=1,
            id=draw(st.sampled_from(mood.ids)),
            user_id=user,
            received_at=0,
            points=points,
            at=now_ms,
            by="m",
            reason="r",
        )
    if kind == "profile":
        metadata = draw(st.sampled_from([None, {"team": "x"}, {"k\0": "v\0"}]))
        name = draw(st.sampled_from([None, "Cy", "D\0"]))
        return ProfileRecord(v=1, id=draw(fresh_ids), user_id=user, received_at=0, name=name, metadata=metadata)
    kinds: dict[str, Any] = {"hide": HideRecord, "unhide": UnhideRecord, "erase": EraseRecord}
    record: Record = kinds[kind](v=1, id=draw(fresh_ids), user_id=user, received_at=0, by="m", reason="r")
    return record
