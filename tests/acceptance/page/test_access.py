"""The page for everyone: keyboard, screen reader, dark mode, narrow screens, contrast."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.acceptance.page.boards import NAMES, names, now_ms, ranked, row, rows
from tests.acceptance.page.conftest import Visit, Visitor
from tests.support.board_server import Board, BoardServer

DEMO = {
    "users": [{"user_id": "ada", "name": NAMES["ada"]}],
    "actions": [{"name": "bugfix", "description": "Fix a bug", "points": 15}],
}

# WCAG 2 contrast of each visible piece of text against the first opaque background behind it, where below the minimum.
LOW_CONTRAST = """minimum => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parse(color).map((c) => linear(c / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const backdrop = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return getComputedStyle(at).backgroundColor;
    }
    throw new Error("no opaque background");
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
  const low = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    if (!hasText(element) || !element.checkVisibility() || element.closest(".sr-only, .skip")) continue;
    seen += 1;
    const [a, b] = [light(getComputedStyle(element).color), light(backdrop(element))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < minimum) low.push(`${element.className || element.id || element.tagName}: ${contrast.toFixed(2)}`);
  }
  return [seen, low];
}"""


async def test_roles_and_names(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 1_250, "bo": 900})
    server.demo = DEMO
    page = (await visit()).page
    await expect(page.locator("body")).to_match_aria_snapshot("""
      - link "Skip to the board"
      - banner:
        - paragraph: Shardboard
        - status: Live
      - main:
        - region "Leaderboard":
          - heading "Leaderboard" [level=1]
          - group "Period":
            - radio "Today" [checked]
            - radio "This week"
            - radio "All time"
          - table "Leaderboard":
            - rowgroup:
              - row:
                - columnheader "Rank"
                - columnheader "Name"
                - columnheader "Score"
            - rowgroup:
              - row:
                - cell "1"
                - rowheader "Ada Moreno ada"
                - cell "1,250"
              - row:
                - cell "2"
                - rowheader "Bo Lindqvist bo"
                - cell "900"
        - complementary "Make a move":
          - heading "Make a move" [level=2]
          - combobox "Act as"
          - group "Action":
            - radio "Fix a bug +15" [checked]
          - button "Perform action"
    """)


async def test_period_is_switched_by_keyboard_and_kept_over_a_reload(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 10})
    server.boards["weekly"] = ranked(2, {"bo": 200})
    server.boards["all_time"] = ranked(3, {"cy": 3_000})
    page = (await visit()).page
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the board")).to_be_focused()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("radio", name="Today")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(names(page)).to_have_text([NAMES["bo"]])
    await page.keyboard.press("ArrowRight")
    await expect(names(page)).to_have_text([NAMES["cy"]])
    await expect(page.get_by_role("radio", name="All time")).to_be_checked()
    await page.reload()
    await expect(page.get_by_role("radio", name="All time")).to_be_checked()
    await expect(names(page)).to_have_text([NAMES["cy"]])


async def test_boards_of_another_period_are_not_shown(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 10})
    server.boards["weekly"] = ranked(2, {"bo": 200})
    page = (await visit("/?period=weekly")).page
    await expect(names(page)).to_have_text([NAMES["bo"]])
    server.push("daily", ranked(9, {"ada": 11}))
    server.push("weekly", ranked(10, {"bo": 200, "cy": 5}))
    await expect(names(page)).to_have_text([NAMES["bo"], NAMES["cy"]])


async def test_focus_is_visible_on_every_stop(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 10})
    server.demo = DEMO
    page = (await visit()).page
    await expect(page.get_by_role("button", name="Perform action")).to_be_visible()
    stops: list[str] = []
    for _ in range(9):
        await page.keyboard.press("Tab")
        stop, outline = await page.evaluate("""() => {
          const at = document.activeElement;
          const drawn = at.matches("input[type=radio]") ? at.nextElementSibling : at;
          return [at.id || at.value || at.textContent, getComputedStyle(drawn).outlineStyle];
        }""")
        assert outline != "none", stop
        stops.append(stop)
    own = ["own-user", "Show", "Full board"]
    assert stops == ["Skip to the board", "daily", "json-link", *own, "demo-user", "bugfix", "demo-submit"]


async def show(visited: Visit, board: Board) -> None:
    """Push a board to a page whose clock stands still, and let the drawing of it come due."""
    visited.server.push("daily", board)
    await visited.received(board["version"])
    await visited.page.clock.run_for(1_000)


async def test_only_a_change_of_the_lead_is_spoken_and_not_often(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 100, "bo": 90})
    visited = await visit(has_clock=True)
    page = visited.page
    spoken = page.locator("#lead-spoken")
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    await page.clock.pause_at(now_ms() / 1000 + 60)
    await show(visited, ranked(2, {"ada": 110, "bo": 90}))
    await expect(row(page, "ada").locator(".points")).to_have_text("110")
    await expect(spoken).to_have_text("")
    await show(visited, ranked(3, {"bo": 120, "ada": 110}))
    await expect(spoken).to_have_text("Bo Lindqvist takes the lead with 120 points")
    await show(visited, ranked(4, {"ada": 130, "bo": 120}))
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    await expect(spoken).to_have_text("Bo Lindqvist takes the lead with 120 points")
    await page.clock.run_for(5_000)
    await expect(spoken).to_have_text("Ada Moreno takes the lead with 130 points")
    assert await page.locator("#rows").evaluate("rows => rows.closest('[aria-live], [role=status]')") is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_contrast_in_both_schemes(scheme: str, server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 40, "bo": 30, "cy": 20, "dee": 10}, stale=True, stale_shards=["s1"])
    server.demo = DEMO
    page = (await visit(color_scheme=scheme)).page
    await expect(rows(page)).to_have_count(4)
    server.push("daily", ranked(2, {"bo": 50, "cy": 20, "ada": 15, "dee": 10}, stale=True, stale_shards=["s1"]))
    await expect(row(page, "ada").locator(".delta")).to_have_text("−25")
    seen, low = await page.evaluate(LOW_CONTRAST, 4.5)
    assert low == []
    assert seen > 30


async def test_dark_scheme_is_dark(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 40})
    page = (await visit(color_scheme="dark")).page
    backgrounds = await page.evaluate(
        "[document.body, document.querySelector('.card')].map(part => getComputedStyle(part).backgroundColor)"
    )
    for background in backgrounds:
        assert max(int(channel) for channel in re.findall(r"\d+", background)) < 48, background
    assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


async def fits(page: Page, width: int) -> bool:
    await expect(rows(page)).to_have_count(2)
    return bool(await page.evaluate("width => document.documentElement.scrollWidth <= width", width))


@pytest.mark.parametrize("width", [320, 390, 768, 1440])
async def test_page_fits_its_screen(width: int, server: BoardServer, visit: Visitor) -> None:
    long_name = "Wolfeschlegelsteinhausenbergerdorff" * 3
    server.boards["daily"] = ranked(1, {long_name: 1_234_567_890, "bo": 900})
    server.demo = {**DEMO, "users": [{"user_id": "w", "name": long_name}]}
    page = (await visit(viewport={"width": width, "height": 800})).page
    await expect(page.get_by_role("button", name="Perform action")).to_be_visible()
    assert await fits(page, width)
    box = await page.locator("#rows .points").first.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= width
    assert await page.locator("#rows .name").first.evaluate("name => name.clientWidth > 40")
