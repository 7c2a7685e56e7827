"""When a board is closed for good. Pure: positions, the log's ends and the time come as values.

1. Its end, the lateness and CLOSE_AFTER_MS have passed: no record that is appended from now on can count there. 2. The
end of every partition's log is taken. 3. The scores have passed all these ends: the board is final."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from contracts.counting import CountingRules
from contracts.ids import Offset, Partition, PeriodId
from contracts.periods import PeriodCalendar

CLOSE_AFTER_MS: Final = 60_000
"""A broker's clock, which dates records, may be behind ours: as `clock_skew_ms` allows by default."""


def due_boards(
    boards: Iterable[PeriodId], *, now_ms: int, calendar: PeriodCalendar, rules: CountingRules
) -> list[PeriodId]:
    """Of boards that are not closed, those that no new record can change, oldest first."""
    wait_ms = rules.lateness_ms + max(CLOSE_AFTER_MS, rules.clock_skew_ms)
    ended = [(calendar.parse(period).end_ms, period) for period in boards]
    return [period for end_ms, period in sorted(ended) if end_ms + wait_ms <= now_ms]


def is_final(ends: Sequence[Offset], scores_next: Mapping[Partition, Offset]) -> bool:
    """Whether the scores contain everything before `ends` (index p: partition p)."""
    return all(end == 0 or scores_next.get(Partition(p), Offset(0)) >= end for p, end in enumerate(ends))
