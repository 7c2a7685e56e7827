"""The auditor's judgement: every partition's totals by the log against the shard's progress at the same offset. Pure.

The count never runs ahead of what a shard has applied, so that no history of totals is needed: it is brought to the
very offset that the shard told, and compared there. It keeps ids of two windows and limits used, and no scores."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from audit.compare import StoredTotals
from audit.log_count import LogCount
from contracts.counting import CountingRules
from contracts.ids import SCORE_LIMIT, Offset, Partition
from contracts.log import Appended
from contracts.periods import PeriodCalendar
from contracts.progress import LastRecord


class Verdict(Enum):
    """What is known of a partition."""

    NOT_COMPARED = "not compared yet"
    EQUAL = "equal"
    DIFFERENT = "different"
    UNTOLD = "cannot be told"


@dataclass(frozen=True, slots=True)
class Change:
    """A verdict that is new: worth a line in the log."""

    partition: Partition
    verdict: Verdict
    offset: Offset
    detail: str = ""


@dataclass(slots=True)
class AuditedPartition:
    """One partition. `count` is None when it cannot be told."""

    count: LogCount | None
    verdict: Verdict = Verdict.NOT_COMPARED
    detail: str = ""
    compared_at_s: float | None = None


@dataclass(slots=True)
class Audit:
    """All partitions. `take` records up to `targets`, then `compare`."""

    rules: CountingRules
    calendar: PeriodCalendar
    partitions: dict[Partition, AuditedPartition] = field(default_factory=dict)

    def begin(self, partition: Partition, log_begin: Offset) -> list[Change]:
        """Start with a partition: from the log's first record, or not at all."""
        if log_begin == 0:
            count = LogCount(self.rules, self.calendar, with_scores=False)
            self.partitions[partition] = AuditedPartition(count)
            return []
        self.partitions[partition] = AuditedPartition(None)
        return self.give_up(partition, f"the log begins at offset {log_begin}")

    def give_up(self, partition: Partition, reason: str) -> list[Change]:
        """It can no longer be told."""
        known = self.partitions[partition]
        offset = Offset(0) if known.count is None else known.count.next_offset
        known.count = None
        return self._judge(partition, Verdict.UNTOLD, offset=offset, detail=reason)

    def targets(
        self, stored: Mapping[Partition, StoredTotals], ends: Mapping[Partition, Offset]
    ) -> dict[Partition, Offset]:
        """How far to count each partition on: as far as its shard has applied and the log reaches."""
        wanted: dict[Partition, Offset] = {}
        for partition, totals in stored.items():
            known, target = self.partitions.get(partition), min(totals.next_offset, ends[partition])
            if known is not None and known.count is not None and target > known.count.next_offset:
                wanted[partition] = target
        return wanted

    def take(self, partition: Partition, records: Iterable[Appended]) -> None:
        """Count a partition's next records."""
        count = self.partitions[partition].count
        assert count is not None
        count.take_all(records)

    def compare(self, stored: Mapping[Partition, StoredTotals], *, now_s: float) -> list[Change]:
        """Judge every partition whose count stands where the shard stood; one that went back when it returns."""
        changes: list[Change] = []
        for partition, totals in stored.items():
            known = self.partitions.get(partition)
            if known is None or known.count is None or totals.next_offset < known.count.next_offset:
                continue
            if known.count.points >= SCORE_LIMIT:
                changes += self.give_up(partition, "its points reach 2^53: `shardboard verify` can tell")
                continue
            detail = _difference(known.count, totals)
            verdict = Verdict.DIFFERENT if detail else Verdict.EQUAL
            known.compared_at_s = now_s
            changes += self._judge(partition, verdict, offset=totals.next_offset, detail=detail)
        return changes

    def number_of(self, verdict: Verdict) -> int:
        """How many partitions have this verdict."""
        return sum(known.verdict is verdict for known in self.partitions.values())

    def oldest_s(self, since_s: float) -> float:
        """When the partition that was not compared for longest was compared; `since_s` for one that never was."""
        told = [known for known in self.partitions.values() if known.count is not None]
        return min((since_s if known.compared_at_s is None else known.compared_at_s for known in told), default=since_s)

    def _judge(self, partition: Partition, verdict: Verdict, *, offset: Offset, detail: str) -> list[Change]:
        known = self.partitions[partition]
        is_new = known.verdict is not verdict or (verdict is Verdict.DIFFERENT and known.detail != detail)
        is_first_equal = known.verdict is Verdict.NOT_COMPARED and verdict is Verdict.EQUAL
        known.verdict, known.detail = verdict, detail
        return [Change(partition, verdict, offset, detail)] if is_new and not is_first_equal else []


def _difference(count: LogCount, stored: StoredTotals) -> str:
    if stored.next_offset > count.next_offset:
        return f"offset {stored.next_offset} was applied, but the log ends at {count.next_offset}"
    wanted = {"points": count.shown_points, "counted": count.counted, "log_ms": count.log_ms, "last": count.last}
    different = [name for name, value in wanted.items() if getattr(stored, name) != value]
    return ", ".join(f"{name}: log {_text(wanted[name])}, shard {_text(getattr(stored, name))}" for name in different)


def _text(value: object) -> str:
    return value.encode() if isinstance(value, LastRecord) else str(value)
