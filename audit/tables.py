"""What one partition holds, as tables of key and value: the log's count and every store are read as these. Pure.

A table is a Redis key without the partition's prefix: `scores:<period>`, `seen:<window>`, `hidden`, …
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from audit.log_count import LogCount
from contracts.counting import CAP_DAYS_BEFORE, day_of
from contracts.ids import LogMs, PeriodId, Window

SCORES: Final = "scores"
SCORED_AT: Final = "scored_at"
SEEN: Final = "seen"
KEPT: Final = "kept"
CAPS: Final = "caps"
LIMITS: Final = "limits"
"""The newest day of each limit in use: what the archive keeps of `caps`."""
HIDDEN: Final = "hidden"
VOIDED: Final = "voided"
ERASED: Final = "erased"

Key = str | bytes
Value = Any
"""Scores: (score, scored_at). Hidden: {period: (score, scored_at)}. Caps: (used, received_at). Limits: (day, used,
received_at). Else a whole number."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table; `part` is its period, window or day."""

    kind: str
    part: str = ""

    @property
    def suffix(self) -> str:
        """The key after the partition's prefix."""
        return f"{self.kind}:{self.part}" if self.part else self.kind

    @property
    def period(self) -> PeriodId | None:
        """The board, for tables of boards."""
        return PeriodId(self.part) if self.kind in (SCORES, SCORED_AT) else None


def deep_tables(log_ms: LogMs, window: Window, *, periods: list[PeriodId]) -> list[Table]:
    """Everything but the scores, at a log time in `window`."""
    day = day_of(log_ms)
    return [
        *(Table(SCORED_AT, period) for period in periods),
        *(Table(SEEN, str(number)) for number in (window - 1, window)),
        *(Table(CAPS, str(number)) for number in range(day - CAP_DAYS_BEFORE, day + 1)),
        *(Table(kind) for kind in (KEPT, HIDDEN, VOIDED, ERASED)),
    ]


def table_of_log(count: LogCount, table: Table) -> Mapping[Any, Value]:
    """The same table by the log's count. Keys as the log knows them: text of users, bytes of ids."""
    scores, memory = count.scores, count.memory
    assert scores is not None
    match table.kind:
        case "scores":
            return scores.boards.get(PeriodId(table.part), {})
        case "scored_at":
            cells = scores.boards.get(PeriodId(table.part), {})
            return {user: at for user, (_, at) in cells.items() if at}
        case "seen":
            return memory.seen.get(Window(int(table.part)), {})
        case "caps":
            return memory.caps.get(int(table.part), {})
        case "limits":
            return _newest_use(count)
        case "kept":
            memory.forget_expired(count.log_ms)
            return memory.kept
        case "hidden":
            return scores.hidden
        case "voided":
            return memory.voided
    assert table.kind == ERASED, table
    return memory.erased


def is_remembered(count: LogCount, table: Table, *, window_ms: int) -> bool:
    """Whether the table still matters at the count's log time: old windows and days are dropped on both sides."""
    if table.kind == SEEN:
        return int(table.part) * window_ms >= (count.log_ms // window_ms - 1) * window_ms
    if table.kind == CAPS:
        return int(table.part) >= day_of(count.log_ms) - CAP_DAYS_BEFORE
    return True


def _newest_use(count: LogCount) -> dict[str, tuple[int, int, int]]:
    newest: dict[str, tuple[int, int, int]] = {}
    for day in sorted(count.memory.caps):
        if day >= day_of(count.log_ms) - CAP_DAYS_BEFORE:
            newest |= {key: (day, used, received) for key, (used, received) in count.memory.caps[day].items()}
    return newest
