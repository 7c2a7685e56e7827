"""Boards of the archive say honestly what they contain, and give way to every board of the merger."""

import pytest

from contracts.ids import LogMs, Partition, PeriodId, UserId
from contracts.ranking import TopRow
from gateway.archived_boards import VERSION_MAX, ArchivePlace, archived_board

ALL = PeriodId("all_time")
MERGERS_FIRST_VERSION = 1_750_000_000_000
"""Unix ms of June 2025."""


def place(
    *, expected: int | None = 4, partitions: int = 4, is_cut: bool = False, records: int = 9, log_ms: int = 7
) -> ArchivePlace:
    return ArchivePlace(expected, partitions, is_cut, records, log_ms)


def row(user: str, score: int) -> TopRow:
    return TopRow(UserId(user), score, LogMs(1), Partition(0), user.title())


def test_equal_scores_share_a_rank_and_the_order_stays() -> None:
    board = archived_board(ALL, [row("z", 5), row("a", 3), row("b", 3), row("c", 1)], place=place())
    assert [(r.user_id, rank) for r, rank in zip(board.rows, board.ranks, strict=True)] == [
        ("z", 1), ("a", 2), ("b", 2), ("c", 4),
    ]  # fmt: skip
    assert (board.version, board.as_of_ms) == (9, 7)


@pytest.mark.parametrize("missing", [place(expected=None), place(partitions=3), place(is_cut=True)])
def test_an_archive_that_lacks_a_part_of_the_log_is_not_complete(missing: ArchivePlace) -> None:
    assert not archived_board(ALL, [], place=missing).complete
    assert archived_board(ALL, [], place=place()).complete


def test_a_version_never_reaches_the_mergers() -> None:
    assert archived_board(ALL, [], place=place(records=2**62)).version == VERSION_MAX < MERGERS_FIRST_VERSION


def test_an_archive_without_any_record_is_as_of_never() -> None:
    assert archived_board(ALL, [], place=place(records=0, log_ms=0)).as_of_ms is None
