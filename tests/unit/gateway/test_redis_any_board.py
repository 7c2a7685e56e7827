"""Who is asked of a board: its shards while it runs, the archive once it is closed, even if that happens just then."""

from typing import Any, cast

import pytest

from contracts.counting import CountingRules
from contracts.periods import Period, PeriodCalendar
from gateway.postgres_closed import ClosedBoards
from gateway.redis_any_board import AnyBoard, Ranks

CALENDAR = PeriodCalendar("all_time,daily")
DAY = CALENDAR.parse("daily:2026-11-23")
RULES = CountingRules()
CLOSABLE_MS = DAY.end_ms + RULES.lateness_ms


class Archive:
    """Says of a board whether it is closed, one answer after the other."""

    def __init__(self, *answers: bool, exists: bool = True) -> None:
        self.answers = list(answers)
        self.exists = exists

    async def is_closed(self, _period: str) -> bool:
        return self.answers.pop(0)


async def read(archive: Archive, period: Period, *, now_ms: int) -> tuple[list[str], bool]:
    """Who was asked, in order, and whether the answer is that of a closed board."""
    running: Any = "shards"
    asked: list[str] = []

    async def ask(board: Ranks) -> None:
        asked.append("shards" if board is running else "archive")

    _, is_closed = await AnyBoard(running, cast("ClosedBoards", archive), rules=RULES).read(period, ask, now_ms=now_ms)
    assert archive.answers == []
    return asked, is_closed


@pytest.mark.parametrize(
    ("archive", "now_ms", "expected"),
    [
        (Archive(), DAY.end_ms - 1, (["shards"], False)),
        (Archive(), DAY.end_ms, (["shards"], False)),
        (Archive(False, False), CLOSABLE_MS, (["shards"], False)),
        (Archive(True), CLOSABLE_MS, (["archive"], True)),
        (Archive(False, True), CLOSABLE_MS, (["shards", "archive"], True)),
        (Archive(exists=False), CLOSABLE_MS, (["shards"], False)),
    ],
)
async def test_who_is_asked(archive: Archive, now_ms: int, expected: tuple[list[str], bool]) -> None:
    assert await read(archive, DAY, now_ms=now_ms) == expected


async def test_all_time_never_closes() -> None:
    assert await read(Archive(), CALENDAR.parse("all_time"), now_ms=2**50) == (["shards"], False)
