"""What `verify` found, as JSON and for people: docs/schemas/verify.json."""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from audit.compare import Difference, PartitionCheck, shown
from contracts.exit_codes import ExitCode

Verdict = Literal["equal", "different", "unknown"]


class FoundDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One row that two sources tell differently; null where a source has no such row."""

    store: str
    partition: int
    table: str
    period: str | None
    user_id: str | None
    key: str
    offset: int
    log: Any
    found: Any


class StoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """One store's part of one partition. Digests cover (period, user, score, scored_at) of every score."""

    store: str
    verdict: Verdict
    from_offset: int | None = None
    offset: int | None = None
    """Rows were read between `from_offset` and `offset`, each compared at its own; equal when one call was enough."""
    rows: int = 0
    digest: str | None = None
    log_digest: str | None = None
    differences: int = 0
    first: FoundDifference | None = None
    reason: str | None = None
    """Why it could not be told."""


class PartitionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One partition. `points` and `counted` are the log's at `next_offset`."""

    partition: int
    shard: str | None
    verdict: Verdict
    next_offset: int | None = None
    counted: int = 0
    points: int = 0
    dead: int = 0
    stores: tuple[StoreReport, ...] = ()
    reason: str | None = None


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    verdict: Verdict
    deep: bool
    seconds: float
    records: int
    """Read from the log."""
    partitions: tuple[PartitionReport, ...]
    first: FoundDifference | None

    @property
    def exit_code(self) -> ExitCode:
        """A difference is told before what could not be told."""
        codes = {"equal": ExitCode.OK, "different": ExitCode.DIFFERENT, "unknown": ExitCode.UNKNOWN}
        return codes[self.verdict]


def found(difference: Difference) -> FoundDifference:
    """A difference as it is shown."""
    table, key = difference.table, difference.key
    is_user = isinstance(key, str) and (table.period is not None or table.kind == "hidden")
    return FoundDifference(
        store=difference.store,
        partition=difference.partition,
        table=table.suffix,
        period=table.period,
        user_id=str(key) if is_user else None,
        key=key.hex() if isinstance(key, bytes) else key,
        offset=difference.offset,
        log=shown(difference.log, table),
        found=shown(difference.found, table),
    )


def store_report(check: PartitionCheck, *, from_offset: int, offset: int) -> StoreReport:
    """What one comparison found."""
    return StoreReport(
        store=check.store,
        verdict="different" if check.differences else "equal",
        from_offset=from_offset,
        offset=offset,
        rows=check.store_digest.rows,
        digest=check.store_digest.hex(),
        log_digest=check.log_digest.hex(),
        differences=check.differences,
        first=None if check.first is None else found(check.first),
    )


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Different if anything is, else unknown if anything is."""
    if "different" in verdicts:
        return "different"
    return "unknown" if "unknown" in verdicts or not verdicts else "equal"


def make_report(partitions: Sequence[PartitionReport], *, deep: bool, seconds: float, records: int) -> VerifyReport:
    """Put the partitions together; the first difference is that of the lowest partition that has one."""
    ordered = tuple(sorted(partitions, key=lambda report: report.partition))
    firsts = [store.first for report in ordered for store in report.stores if store.first is not None]
    return VerifyReport(
        verdict=overall([report.verdict for report in ordered]),
        deep=deep,
        seconds=round(seconds, 3),
        records=records,
        partitions=ordered,
        first=firsts[0] if firsts else None,
    )
