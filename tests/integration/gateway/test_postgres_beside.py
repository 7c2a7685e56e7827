"""What rows carry beside places, from a real archive: names and the ranks of before, each user looked up once a day."""

from collections.abc import AsyncIterator

import pytest
from msgspec import UNSET

from archiver.postgres_migrate import upgrade
from contracts.board_reads import Row
from contracts.ids import LogMs, PeriodId, UserId
from foundation.postgres_connect import connect
from gateway import movements as movements_module
from gateway import postgres_beside
from gateway.movements import Movements
from gateway.postgres_beside import BesideReader
from gateway.postgres_closed import ClosedBoards
from gateway.ranked import RankedRow

DAY, TODAY, ALL = PeriodId("daily:2026-11-23"), PeriodId("daily:2026-11-24"), PeriodId("all_time")


@pytest.fixture
async def archive(postgres_database: str) -> AsyncIterator[ClosedBoards]:
    """Ada was second on that day, and has a name; nobody else was there."""
    connection = await connect(postgres_database, name="test")
    await upgrade(connection)
    await connection.execute("INSERT INTO leaderboards VALUES ($1, 'ada', 9, 1, 2, 2, false)", DAY)
    await connection.execute("INSERT INTO users (user_id, partition, name) VALUES ('ada', 0, 'Ada M')")
    await connection.close()
    boards = ClosedBoards(postgres_database, mark=lambda: None)
    yield boards
    await boards.close()


def rows(*users: str) -> list[RankedRow]:
    return [RankedRow(n, Row(UserId(user), 5, LogMs(1))) for n, user in enumerate(users, start=1)]


async def ranks_of(reader: BesideReader, period: PeriodId, *users: str) -> list[object]:
    previous = (await reader.of_rows(period, rows(*users))).previous
    return [previous.of(user, 1) for user in users]


async def test_rows_carry_names_and_the_ranks_of_the_closed_day(archive: ClosedBoards) -> None:
    movements = Movements()
    reader = BesideReader(archive, movements)
    assert await ranks_of(reader, TODAY, "ada", "bob") == [UNSET, UNSET], "no day was closed yet"
    movements.begin(DAY)
    assert await ranks_of(reader, TODAY, "ada", "bob") == [2, None]
    assert await ranks_of(reader, DAY, "ada", "bob") == [UNSET, UNSET], "the day is compared with nothing"
    assert await ranks_of(reader, ALL, "ada", "bob") == [UNSET, UNSET], "nothing was noted of this board"
    movements.learn_board(ALL, {"bob": 7})
    assert await ranks_of(reader, ALL, "ada", "bob") == [None, 7]
    beside = await reader.of_rows(TODAY, [*rows("ada"), RankedRow(2, Row(UserId("cy"), 5, LogMs(1), "Cy"))])
    assert beside.names == {"ada": "Ada M"}
    assert [beside.name_of(each.row) for each in rows("ada", "bob")] == ["Ada M", None]


async def test_users_are_looked_up_once_and_the_oldest_are_forgotten(
    archive: ClosedBoards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(movements_module, "BEYOND_MAX", 2)
    movements, asked = Movements(), []
    look_up = archive.ranks_of

    async def noted(period: PeriodId, users: list[str]) -> dict[str, int]:
        asked.append(users)
        return await look_up(period, users)

    monkeypatch.setattr(archive, "ranks_of", noted)
    movements.begin(DAY)
    movements.learn_users(["top"], {"top": 1})
    reader = BesideReader(archive, movements)
    assert await ranks_of(reader, TODAY, "top", "ada", "bob") == [1, 2, None]
    assert await ranks_of(reader, TODAY, "bob", "ada") == [None, 2]
    assert await ranks_of(reader, TODAY, "cy") == [None]
    assert await ranks_of(reader, TODAY, "ada", "bob") == [2, None]
    assert asked == [["ada", "bob"], ["cy"], ["ada", "bob"]]


async def test_another_day_meanwhile_makes_the_answer_void() -> None:
    movements = Movements()
    movements.begin(DAY)
    movements.begin(TODAY)
    movements.learn_beyond(DAY, ["ada"], ranks={"ada": 2})
    assert movements.unknown_beyond(PeriodId("daily:2026-11-25"), ["ada"]) == ["ada"]


async def test_an_archive_that_is_away_is_not_waited_for_each_time(
    archive: ClosedBoards, monkeypatch: pytest.MonkeyPatch
) -> None:
    movements = Movements()
    movements.begin(DAY)
    calls = 0

    async def refuse() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionRefusedError

    monkeypatch.setattr(postgres_beside, "PAUSE_S", 1_000)
    monkeypatch.setattr(archive, "_opened", refuse)
    reader = BesideReader(archive, movements)
    for _ in range(3):
        beside = await reader.of_rows(TODAY, rows("ada"))
        assert (beside.names, beside.previous.of("ada", 1)) == ({}, UNSET)
    assert calls == 1
