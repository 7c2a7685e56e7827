"""What the page shows beyond the top: the reader's own place, movement, how long a period goes on, seasons, all rows.
Names and ids are hostile throughout: whatever users are called, nothing of it becomes markup or script."""

import json
from typing import Any
from urllib.parse import quote

from playwright.async_api import Page, expect

from tests.acceptance.page.boards import connection, now_ms, ranked, rows
from tests.acceptance.page.conftest import Visitor
from tests.support.board_server import Answer, BoardServer, board

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>&amp;\u202e"
ID = "a/b?<b>#"


def entry(rank: int, user: str, *, score: int, name: str | None = None, **more: object) -> dict[str, Any]:
    return {"rank": rank, "user_id": user, "name": name, "score": score, **more}


def page_of(*entries: dict[str, Any], following: str | None = None, previous: str | None = None) -> Answer:
    body = {"period": "daily", "total": 1_234, "as_of": 1, "entries": entries, "next": following, "previous": previous}
    return Answer(200, body)


def own_event(rank: int | None, *, to_next: int | None = 5) -> str:
    score = None if rank is None else 40
    data = {"period": "daily", "user_id": ID, "rank": rank, "score": score, "total": 1_234, "to_next": to_next}
    return f"event: you\ndata: {json.dumps(data)}\n\n"


def script_own(server: BoardServer, rank: int) -> None:
    path, query = f"/users/{quote(ID, safe='')}", "?period=daily"
    place = {"rank": rank, "score": 40, "total": 1_234, "to_next": 5}
    server.reads[f"{path}/rank{query}"] = Answer(200, place)
    around = page_of(
        entry(rank - 1, "up", score=45, name=HOSTILE),
        entry(rank, ID, score=40, previous_rank=rank + 3),
        entry(rank + 1, HOSTILE, score=39),
    )
    server.reads[f"{path}/around{query}&before=2&after=2"] = around


async def is_inert(page: Page) -> bool:
    """No element was made of any text."""
    return bool(
        await page.evaluate("document.querySelectorAll('td img, th img, th script, th b, option img').length === 0")
    )


async def test_the_own_row_stands_between_its_neighbours_and_follows_the_stream(
    server: BoardServer, visit: Visitor
) -> None:
    server.boards["daily"] = ranked(1, {"ada": 50})
    script_own(server, 17)
    page = (await visit()).page
    await expect(page.locator("#own-text")).to_have_text("Name yourself to see your place.")
    await page.get_by_label("Your user id").fill(ID)
    await page.locator("#own-form button").click()
    await server.wait_for_streams(2)
    server.push_raw(own_event(17))
    await expect(page.locator("#own-text")).to_have_text(
        "Rank 17 of 1,234, 40 points. 5 points to the next place."
    )  # fmt: skip
    await expect(page.locator("#own-rows .name")).to_have_text([HOSTILE, ID, HOSTILE])
    await expect(page.locator("#own-rows tr.is-own .medal")).to_have_text("17")
    await expect(page.locator("#own-rows .shift")).to_have_text(["", "▲3", ""])
    server.push_raw(own_event(1, to_next=None))
    await expect(page.locator("#own-text")).to_contain_text("Nobody is above you.")
    server.push_raw(own_event(None))
    await expect(page.locator("#own-text")).to_have_text("You are not on this board yet.")
    assert await is_inert(page)
    await page.reload()
    await expect(page.get_by_label("Your user id")).to_have_value(ID)


async def test_rows_show_how_far_they_moved_since_the_last_closed_day(server: BoardServer, visit: Visitor) -> None:
    shown = ranked(1, {"ada": 50, "bo": 40, "cy": 30, "dee": 20})
    for each, previous in zip(shown["entries"], (3, 1, None, 4), strict=True):
        each["previous_rank"] = previous
    server.boards["daily"] = shown
    page = (await visit()).page
    await expect(page.locator("#rows .shift")).to_have_text(["▲2", "▼1", "new", "="])
    await expect(page.locator("#rows .shift").first).to_have_attribute("title", "up 2 places since the last closed day")


async def test_names_on_the_board_are_text(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = board(1, [(1, HOSTILE, HOSTILE, 5), (2, "x", HOSTILE, 4)], as_of=now_ms())
    page = (await visit()).page
    await expect(page.locator("#rows .name")).to_have_text([HOSTILE, HOSTILE])
    assert await is_inert(page)


async def test_the_end_is_told_in_the_readers_zone_and_seasons_can_be_chosen(
    server: BoardServer, visit: Visitor
) -> None:
    server.boards["daily"] = ranked(1, {"ada": 50})
    end_ms = 1_795_564_800_000  # 2026-11-25T00:00Z: in Tokyo nine in the morning of that day
    closed = {"period": "daily:2026-11-23", "start": 0, "end": 1, "closed_at": 2, "users": 3}
    current = {"period": "daily:2026-11-24", "start": 0, "end": end_ms, "seconds_left": 1}
    server.periods = [{"kind": "daily", "zone": "UTC", "current": current, "closed": [closed]}]
    server.boards["daily:2026-11-23"] = ranked(1, {"bo": 7}) | {"period": "daily:2026-11-23"}
    page = (await visit(timezone_id="Asia/Tokyo")).page
    await expect(page.locator("#countdown")).to_contain_text("Ends Wed, Nov 25, 09:00 AM")
    await page.get_by_label("Season").select_option("2026-11-23")
    await expect(page.locator("#rows .name")).to_have_text(["Bo Lindqvist"])
    await expect(connection(page)).to_have_attribute("data-state", "final")
    await page.get_by_label("Season").select_option("Now")
    await expect(page.locator("#rows .name")).to_have_text(["Ada Moreno"])
    await expect(connection(page)).to_have_attribute("data-state", "live")


async def test_the_full_board_is_paged_and_searched(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 50})
    around = f"/users/{quote(ID, safe='')}/around?period=daily&before=12&after=12"
    server.reads |= {
        "/leaderboard?period=daily&rank=1&limit=25": page_of(entry(1, "a", score=9, name=HOSTILE), following="c1"),
        "/leaderboard?limit=25&cursor=c1": page_of(entry(2, "b", score=8), previous="c0"),
        "/leaderboard?period=daily&rank=900&limit=25": page_of(entry(900, "c", score=1)),
        around: page_of(entry(5, ID, score=3), entry(6, "z", score=2)),
    }
    page = (await visit(expects_refusals=True)).page
    await expect(rows(page)).to_have_count(1)
    await page.get_by_text("Full board").click()
    await expect(page.locator("#full-rows .name")).to_have_text([HOSTILE])
    await expect(page.locator("#full-text")).to_have_text("1,234 on this board")
    await page.get_by_role("button", name="Next").click()
    await expect(page.locator("#full-rows .medal")).to_have_text(["2"])
    await expect(page.get_by_role("button", name="Next")).to_be_disabled()
    for text, medals in (("#900", ["900"]), (ID, ["5", "6"])):
        await page.get_by_label("User id, or # and a rank").fill(text)
        await page.get_by_role("button", name="Find").click()
        await expect(page.locator("#full-rows .medal")).to_have_text(medals)
    await expect(page.locator("#full-rows tr.is-own")).to_have_count(1)
    await page.get_by_label("User id, or # and a rank").fill("nobody")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("#full-text")).to_have_text("nobody is not on this board.")
    assert await is_inert(page)
