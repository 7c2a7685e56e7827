"""The table of a rebuilt map leaves out what is right already."""

from shardboard.rebuild.choose import MapReport, RebuiltPartition
from shardboard.rebuild.render import render


def row(partition: int, finding: str) -> RebuiltPartition:
    return RebuiltPartition(
        partition=partition, finding=finding, owner="s1", epoch=2, stored_owner=None, stored_epoch=None  # type: ignore[arg-type]
    )  # fmt: skip


def test_only_what_differs_is_shown() -> None:
    table = render(MapReport(partitions=(row(0, "same"), row(1, "new"), row(2, "conflict")), applied=False))
    assert table.row_count == 2
    assert table.title == "3 partitions, 1 the same; nothing was written"
