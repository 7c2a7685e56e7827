"""What the page says about its connection and the board's age, and how it finds a gateway again."""

import json
import re

from playwright.async_api import Page, expect

from tests.acceptance.page.boards import NAMES, connection, names, now_ms, ranked
from tests.acceptance.page.conftest import Visitor
from tests.support.board_server import BoardServer

HEARTBEAT = "event: heartbeat\ndata: {}\n\n"
AGE = re.compile(r"^Updated ([\d.]+) s ago$")


async def age_s(page: Page) -> float:
    await expect(page.locator("#age")).to_have_text(AGE)
    shown = AGE.match(await page.locator("#age").inner_text())
    assert shown is not None
    return float(shown[1])


async def test_lost_connection_is_shown_and_found_again(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20, "bo": 10})
    page = (await visit(expects_refusals=True)).page
    await expect(connection(page)).to_have_text("Live")
    server.cut(and_refuse=True)
    await expect(connection(page)).to_have_text("Reconnecting")
    await expect(page.locator("#notice")).to_have_text("Connection lost: this is the last board received.")
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    server.boards["daily"] = ranked(2, {"bo": 30, "ada": 20})
    server.allow()
    await expect(connection(page)).to_have_text("Live")
    await expect(page.locator("#notice")).to_have_text("")
    await expect(names(page)).to_have_text([NAMES["bo"], NAMES["ada"]])


async def test_page_opened_while_the_gateway_is_away_comes_alive(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    server.cut(and_refuse=True)
    page = (await visit(expects_refusals=True)).page
    await expect(page.locator("#notice")).to_have_text("The gateway cannot be reached.")
    server.allow()
    await expect(names(page)).to_have_text([NAMES["ada"]])


async def test_silent_line_is_opened_anew_without_alarm(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit(has_clock=True)).page
    await expect(connection(page)).to_have_text("Live")
    await page.clock.fast_forward(26_000)
    await server.wait_for_streams(2)
    await expect(connection(page)).to_have_text("Live")


async def test_heartbeats_keep_the_line(server: BoardServer, visit: Visitor) -> None:
    """Three silences of 20 s, each shorter than the watchdog's 25 s, together longer, with a heartbeat in between."""
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit(has_clock=True)).page
    await expect(connection(page)).to_have_text("Live")
    for count in (1, 2, 3):
        await page.clock.fast_forward(20_000)
        server.push_raw(HEARTBEAT)
        await page.wait_for_function("count => window.heartbeats === count", arg=count)
    assert server.streams_opened == 1


async def test_line_that_stays_silent_is_shown_as_lost(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit(has_clock=True)).page
    await expect(connection(page)).to_have_text("Live")
    server.is_mute = True
    await page.clock.fast_forward(26_000)
    await server.wait_for_streams(2)
    await page.clock.fast_forward(9_000)
    await expect(connection(page)).to_have_text("Reconnecting")
    server.is_mute = False
    await page.clock.fast_forward(11_000)
    await expect(connection(page)).to_have_text("Live")


async def test_broken_board_is_passed_over(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    visited = await visit()
    await expect(names(visited.page)).to_have_text([NAMES["ada"]])
    for version, data in ((2, "{"), (3, "null"), (4, '{"version": 9}'), (5, '{"version": "x", "entries": []}')):
        server.push_raw(f"event: board\nid: {version}\ndata: {data}\n\n")
    await visited.received(5)
    server.push("daily", ranked(6, {"bo": 30, "ada": 20}))
    await expect(names(visited.page)).to_have_text([NAMES["bo"], NAMES["ada"]])


async def test_stale_board_names_the_silent_shards(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20}, stale=True, stale_shards=["s2"])
    page = (await visit()).page
    await expect(connection(page)).to_have_text("Stale")
    await expect(page.locator("#notice")).to_have_text("Shard s2 is silent: its scores may be behind.")
    server.push("daily", ranked(2, {"ada": 20}, stale=True, stale_shards=["s1", "s2", "s3"]))
    await expect(page.locator("#notice")).to_have_text("Shards s1, s2 and s3 are silent: their scores may be behind.")
    server.push("daily", ranked(2, {"ada": 20}, stale=True))
    await expect(page.locator("#notice")).to_have_text("The board is not being refreshed at the moment.")
    server.push("daily", ranked(3, {"ada": 20}))
    await expect(connection(page)).to_have_text("Live")
    await expect(page.locator("#notice")).to_have_text("")


async def test_incomplete_board_says_so(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20}, complete=False)
    page = (await visit()).page
    await expect(page.locator("#notice")).to_have_text("Some rows are still being gathered.")


async def test_age_grows_until_the_next_board(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit(has_clock=True)).page
    young = await age_s(page)
    await page.clock.fast_forward(20_000)
    await expect(page.locator("#age")).to_have_text(re.compile(r"^Updated [2-5]\d s ago$"))
    old = await age_s(page)
    server.push("daily", ranked(2, {"ada": 21}, as_of=now_ms() + 20_000))
    await expect(page.locator("#rows .points")).to_have_text("21")
    assert young + 19 < old
    assert await age_s(page) < old - 5


async def test_heartbeat_makes_an_unchanged_board_younger(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20}, as_of=now_ms() - 600_000)
    visited = await visit()
    page = visited.page
    await expect(page.locator("#age")).to_have_text("Updated 10 min ago")
    for beat in (
        {"period": "daily", "version": 0, "as_of": now_ms()},
        {"period": "x", "version": 9, "as_of": now_ms()},
    ):
        server.push_raw(f"event: heartbeat\ndata: {json.dumps(beat)}\n\n")
    server.push_raw("event: board\nid: 2\ndata: broken\n\n")
    await visited.received(2)
    await expect(page.locator("#age")).to_have_text("Updated 10 min ago")
    beat = {"period": "daily", "version": 3, "as_of": now_ms(), "stale": False}
    server.push_raw(f"event: heartbeat\ndata: {json.dumps(beat)}\n\n")
    await expect(page.locator("#age")).to_have_text(AGE)


async def test_age_is_right_on_a_machine_whose_clock_is_wrong(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20}, as_of=now_ms() - 120_000)
    visited = await visit()
    page = visited.page
    await page.clock.set_system_time(now_ms() / 1000 + 3600)
    await page.reload()
    await expect(page.locator("#age")).to_have_text(re.compile(r"^Updated [23] min ago$"))


async def test_unknown_period_is_explained_and_not_asked_again(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit(has_clock=True, expects_refusals=True)).page
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await page.get_by_role("radio", name="All time").check()
    await expect(page.get_by_text("This board is not kept here")).to_be_visible()
    asked = server.paths.count("/leaderboard/stream")
    await page.clock.fast_forward(60_000)
    await page.get_by_role("radio", name="Today").check()
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await server.wait_for_streams(2)
    assert server.paths.count("/leaderboard/stream") == asked + 1
