"""The rebuilt map for a person."""

from rich.table import Table

from shardboard.rebuild.choose import MapReport


def render(report: MapReport) -> Table:
    """One line per partition that is not the same already."""
    rows = [row for row in report.partitions if row.finding != "same"]
    same = len(report.partitions) - len(rows)
    done = "written" if report.applied else "nothing was written"
    table = Table(title=f"{len(report.partitions)} partitions, {same} the same; {done}")
    for title in ("partition", "finding", "owner", "epoch", "in Postgres", "also at"):
        table.add_column(title, overflow="fold")
    for row in rows:
        stored = "" if row.stored_owner is None else f"{row.stored_owner}@{row.stored_epoch}"
        epoch = "" if row.epoch is None else str(row.epoch)
        table.add_row(str(row.partition), row.finding, row.owner or "", epoch, stored, ", ".join(row.others))
    return table
