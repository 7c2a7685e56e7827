"""A count that begins in the middle of the log, from what the archive holds there. Pure."""

from collections.abc import Mapping
from typing import Any

from audit.compare import StoredTotals
from audit.log_count import LogCount
from audit.tables import Table
from contracts.counting import CountingRules
from contracts.ids import PeriodId, Window
from contracts.periods import PeriodCalendar


def count_from(
    totals: StoredTotals, tables: Mapping[Table, Mapping[Any, Any]], *, rules: CountingRules, calendar: PeriodCalendar
) -> LogCount:
    """A count that stands at `totals.next_offset`; `tables` must be all of them."""
    count = LogCount(rules, calendar)
    scores, memory = count.scores, count.memory
    assert scores is not None
    count.begin_at(totals.next_offset, totals.log_ms, counted=totals.counted, points=totals.points, last=totals.last)
    for table, rows in tables.items():
        match table.kind:
            case "scores":
                scores.boards[PeriodId(table.part)] = dict(rows)
            case "hidden":
                scores.hidden = {user: dict(parked) for user, parked in rows.items()}
            case "seen":
                memory.seen[Window(int(table.part))] = dict(rows)
            case "kept":
                memory.kept = dict(rows)
            case "voided":
                memory.voided = dict(rows)
            case "erased":
                memory.erased = dict(rows)
            case "limits":
                for key, (day, used, received) in rows.items():
                    memory.caps.setdefault(day, {})[key] = (used, received)
    return count
