"""Which board a query reads at a given time."""

from datetime import UTC, datetime

from contracts.ids import PeriodId
from contracts.periods import PeriodCalendar
from contracts.problems import BOARD_UNAVAILABLE, UNKNOWN_PERIOD
from gateway.board_bytes import ReadyBoard
from gateway.board_query import BoardQuery
from gateway.board_shelf import BoardShelf
from gateway.http_boards import QUERIES_REMEMBERED_MAX, BoardReader
from gateway.problem import Problem
from tests.unit.gateway.test_board_shelf import board

CALENDAR = PeriodCalendar("all_time,daily")
MIDNIGHT_MS = int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)


def loaded(*boards: str) -> BoardReader:
    shelf = BoardShelf(stale_after_s=3.0, boards_max=10)
    shelf.is_loaded = True
    for version, period in enumerate(boards, start=1):
        shelf.put(board(PeriodId(period), version))
    return BoardReader(shelf, CALENDAR)


def read(reader: BoardReader, raw: bytes, *, at_ms: int) -> ReadyBoard | Problem:
    query = reader.query(raw)
    assert isinstance(query, BoardQuery)
    return reader.ready(query, at_ms)


def test_a_kind_reads_the_next_board_from_midnight_on() -> None:
    reader = loaded("daily:2026-11-24")
    before, after = (read(reader, b"period=daily", at_ms=MIDNIGHT_MS + off) for off in (-1, 0))
    assert isinstance(before, ReadyBoard)
    assert isinstance(after, ReadyBoard)
    assert b'"period":"daily:2026-11-24","version":1' in before.body
    assert b'"period":"daily:2026-11-25","version":0' in after.body


def test_an_id_is_unknown_before_it_begins_though_its_board_exists() -> None:
    reader = loaded("daily:2026-11-25")
    early = read(reader, b"period=daily:2026-11-25", at_ms=MIDNIGHT_MS - 1)
    assert isinstance(early, Problem)
    assert early.kind is UNKNOWN_PERIOD
    assert isinstance(read(reader, b"period=daily:2026-11-25", at_ms=MIDNIGHT_MS), ReadyBoard)


def test_before_the_cache_was_read_nothing_is_said() -> None:
    reader = BoardReader(BoardShelf(stale_after_s=3.0, boards_max=10), CALENDAR)
    answer = read(reader, b"", at_ms=MIDNIGHT_MS)
    assert isinstance(answer, Problem)
    assert answer.kind is BOARD_UNAVAILABLE


def test_remembered_queries_are_bounded() -> None:
    reader = loaded()
    for n in range(2 * QUERIES_REMEMBERED_MAX):
        reader.query(b"x=%d" % n)
    assert len(reader._queries) == QUERIES_REMEMBERED_MAX


def test_what_the_archive_does_not_hold_is_unavailable_and_not_unknown() -> None:
    """As long as boards of the archive stand in, nobody knows which past boards the cache has."""
    shelf = BoardShelf(stale_after_s=3.0, boards_max=10)
    shelf.put_archived([board(PeriodId("all_time"), 3), board(PeriodId("daily:2026-11-24"), 3)])
    reader = BoardReader(shelf, CALENDAR)
    known = read(reader, b"period=daily", at_ms=MIDNIGHT_MS - 1)
    assert isinstance(known, ReadyBoard)
    assert b'"version":3' in known.body
    past = read(reader, b"period=daily:2026-11-20", at_ms=MIDNIGHT_MS)
    assert isinstance(past, Problem)
    assert past.kind is BOARD_UNAVAILABLE
    begun = read(reader, b"period=daily", at_ms=MIDNIGHT_MS)
    assert isinstance(begun, ReadyBoard)
    assert b'"period":"daily:2026-11-25","version":0' in begun.body
    assert b'"stale":true' in begun.body
