"""Stops a partition when most of what it reads is dead: then it is our reading that is wrong, not the records.

Diverting everything would move the offset past records that a repaired worker could still count.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from contracts.ids import Partition

WATCHED_RECORDS: Final = 2_000
"""Records of a partition that the ratio is taken over: a client that sends rubbish for a while does not fill them."""
DEAD_RATIO_MAX: Final = 0.5


@dataclass(slots=True)
class _Recent:
    batches: deque[tuple[int, int]] = field(default_factory=deque)
    """(records, dead) of each batch applied, oldest first."""
    records: int = 0
    dead: int = 0


class DeadBreaker:
    """One per process. A tripped partition stays so until the worker is started anew, which grants it another start."""

    def __init__(self) -> None:
        self._recent: dict[Partition, _Recent] = {}
        self.tripped: dict[Partition, str] = {}
        """Why each of them stands still."""

    def trips(self, partition: Partition, records: int, *, dead: int) -> bool:
        """Whether a batch may not be diverted: with it, more than half of the last 2,000 records would be dead."""
        if not dead:
            return False
        recent = self._recent.get(partition, _Recent())
        dead_then, records_then = recent.dead + dead, recent.records + records
        if dead_then <= DEAD_RATIO_MAX * max(WATCHED_RECORDS, records_then):
            return False
        self.tripped[partition] = f"{dead_then} of the last {records_then} records are dead letters"
        return True

    def note(self, partition: Partition, records: int, *, dead: int) -> None:
        """A batch was applied, its dead letters diverted."""
        recent = self._recent.setdefault(partition, _Recent())
        recent.batches.append((records, dead))
        recent.records += records
        recent.dead += dead
        while recent.records - recent.batches[0][0] >= WATCHED_RECORDS:
            old_records, old_dead = recent.batches.popleft()
            recent.records -= old_records
            recent.dead -= old_dead
