"""What `verify` shows to people: a line per partition, the first difference in full, a verdict."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardboard.verify.report import FoundDifference, PartitionReport, StoreReport, VerifyReport

_STYLES: Final = {"equal": "green", "different": "bold red", "unknown": "yellow"}
_DIGEST_CHARS: Final = 12
"""Enough to tell two apart by eye; the JSON has all 32."""


def render(report: VerifyReport) -> RenderableType:
    """The report as a table and a verdict."""
    table = Table(box=None, pad_edge=False)
    for name in ("partition", "shard", "store", "offset", "rows", "digest", "verdict"):
        table.add_column(name, justify="right" if name in ("partition", "offset", "rows") else "left")
    for partition in report.partitions:
        for number, store in enumerate(partition.stores or (None,)):
            table.add_row(*_cells(partition, store, is_first=number == 0))
    return Group(table, Text(), *_details(report), _verdict(report))


def _cells(partition: PartitionReport, store: StoreReport | None, *, is_first: bool) -> list[str | Text]:
    head = [str(partition.partition), partition.shard or "-"] if is_first else ["", ""]
    if store is None:
        return [*head, "", "", "", "", Text(partition.verdict, _STYLES[partition.verdict])]
    offsets = f"{store.offset}" if store.from_offset == store.offset else f"{store.from_offset}…{store.offset}"
    digest = store.digest[:_DIGEST_CHARS] if store.digest else ""
    return [*head, store.store, offsets, str(store.rows), digest, Text(store.verdict, _STYLES[store.verdict])]


def _details(report: VerifyReport) -> list[Text]:
    lines = [
        Text(f"partition {partition.partition}: {partition.reason}", "yellow")
        for partition in report.partitions
        if partition.reason
    ]
    if report.first is not None:
        lines += [Text("First difference: " + difference_text(report.first), "bold red")]
    return lines


def difference_text(difference: FoundDifference) -> str:
    """A difference in one line: user, period, both values."""
    who = f"user {difference.user_id!r}" if difference.user_id is not None else f"{difference.key}"
    where = f"period {difference.period}" if difference.period else difference.table
    return (
        f"{who}, {where}, partition {difference.partition}, at offset {difference.offset}: "
        f"the log says {_value(difference.log)}, {difference.store} says {_value(difference.found)}"
    )


def _value(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict) and set(value) == {"score", "scored_at"}:
        return f"score {value['score']} scored at {value['scored_at']}"
    return str(value)


def _verdict(report: VerifyReport) -> Text:
    count = len(report.partitions)
    kind = "deep" if report.deep else "scores and totals"
    differences = sum(store.differences for partition in report.partitions for store in partition.stores)
    text = {
        "equal": "equal",
        "different": f"{differences} differences",
        "unknown": "could not tell about some partitions",
    }[report.verdict]
    rate = report.records / report.seconds if report.seconds else 0
    return Text(
        f"{text}: {count} partitions, {report.records} records in {report.seconds:.1f} s ({rate:,.0f}/s), {kind}",
        _STYLES[report.verdict],
    )
