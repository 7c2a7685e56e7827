"""What came of a restore, as JSON and for people: docs/schemas/restore.json. Pure but for the layout."""

from typing import Literal

import msgspec
from rich.table import Table

from contracts.exit_codes import ExitCode
from contracts.restore import RestoreState, RestoreStatus

Outcome = Literal["served", "refused", "not_done"]


class RestoredPartition(msgspec.Struct, frozen=True, kw_only=True):
    """One partition. `rows` are scores written; the log was applied from `restored_offset` to `next_offset`."""

    partition: int
    outcome: Outcome
    source: str | None
    reason: str
    rows: int
    restored_offset: int
    next_offset: int | None


class RestoreReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    shard: str
    partitions: tuple[RestoredPartition, ...]
    seconds: float

    @property
    def exit_code(self) -> ExitCode:
        """Stalled beats refused; some refused is different from all."""
        outcomes = {partition.outcome for partition in self.partitions}
        if not outcomes:
            return ExitCode.NOTHING_TO_DO
        if "not_done" in outcomes:
            return ExitCode.STALLED
        if "refused" in outcomes:
            return ExitCode.DIFFERENT if "served" in outcomes else ExitCode.REFUSED
        return ExitCode.OK


def outcome_of(partition: int, status: RestoreStatus | None, *, next_offset: int | None) -> RestoredPartition:
    """One partition by what its worker told last about our request; None: nothing yet. `next_offset`: where its owned
    state stands, None while it is not owned."""
    if status is None:
        return RestoredPartition(
            partition=partition, outcome="not_done", source=None, reason="its worker has not begun", rows=0,
            restored_offset=0, next_offset=next_offset,
        )  # fmt: skip
    outcome: Outcome = "not_done"
    if status.state is RestoreState.REFUSED:
        outcome = "refused"
    elif status.state is RestoreState.CATCHING_UP and next_offset is not None and next_offset >= status.end_offset:
        outcome = "served"
    return RestoredPartition(
        partition=partition,
        outcome=outcome,
        source=status.source.value if status.source else None,
        reason=status.reason,
        rows=status.rows,
        restored_offset=status.next_offset,
        next_offset=next_offset,
    )


def render(report: RestoreReport) -> Table:
    """For a person."""
    table = Table(title=f"shard {report.shard}, {report.seconds:.1f} s")
    for title in ("partition", "outcome", "from", "scores", "log from", "at", "reason"):
        table.add_column(title, overflow="fold")
    for row in report.partitions:
        at = "" if row.next_offset is None else f"{row.next_offset:,}"
        table.add_row(
            str(row.partition),
            row.outcome,
            row.source or "",
            f"{row.rows:,}",
            f"{row.restored_offset:,}",
            at,
            row.reason,
        )
    return table


def progress_line(done: int, total: int, *, what: str, seconds: float) -> str:
    """How far it is, how fast, and the time that is left."""
    rate = done / seconds if seconds > 0 else 0.0
    left = f", {(total - done) / rate:.0f} s left" if rate and total > done else ""
    return f"{done:,} of {max(done, total):,} {what}, {rate:,.0f}/s{left}"
