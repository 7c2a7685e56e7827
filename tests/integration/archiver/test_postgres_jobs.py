"""The jobs of running archivers: a board whose end everybody slept through is closed, once."""

from contracts.periods import PeriodCalendar
from tests.integration.archiver.conftest import Ground, StartArchiver, action
from tests.support.wait import wait_until

PAST = "daily:2026-01-30"


async def test_board_that_ended_while_all_was_down_is_closed_once(
    ground: Ground, start_archiver: StartArchiver
) -> None:
    await ground.send([action("ann", 1), action("bob", 2)])
    first = await start_archiver()

    async def is_counted() -> bool:
        return len(await ground.scores()) == 2

    await wait_until(is_counted, timeout_s=40, what="the scores")
    await first.stop()
    await ground.fetch(
        "INSERT INTO scores SELECT partition, user_id, $1, 7, 7 FROM scores WHERE period = 'all_time'", PAST
    )
    await ground.fetch("INSERT INTO boards VALUES ($1)", PAST)
    for _ in range(2):
        await start_archiver(ARCHIVE_JOBS_INTERVAL_MS="50")

    async def is_closed() -> bool:
        return len(await ground.fetch("SELECT FROM closed_periods WHERE period = $1", PAST)) == 1

    await wait_until(is_closed, timeout_s=40, what="the board to be closed")
    ranks = await ground.fetch("SELECT user_id, rank, place FROM leaderboards ORDER BY place")
    assert [tuple(row) for row in ranks] == [("ann", 1, 1), ("bob", 1, 2)]

    async def are_running_boards_kept() -> bool:  # one after the other
        running = {row[0] for row in await ground.fetch("SELECT DISTINCT period FROM board_snapshots")}
        return "all_time" in running and len(running) == len(PeriodCalendar().kinds)

    await wait_until(are_running_boards_kept, timeout_s=40, what="a snapshot of each running board")
    assert await ground.fetch("SELECT period FROM closed_periods") == await ground.fetch("SELECT $1::text", PAST)
