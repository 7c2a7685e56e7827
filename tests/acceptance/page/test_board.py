"""What the page shows of a board: order, ranks, scores and their changes; and what it never takes from one."""

import pytest
from playwright.async_api import Page, expect

from tests.acceptance.page.boards import NAMES, names, now_ms, ranked, row, rows
from tests.acceptance.page.conftest import Visitor
from tests.support.board_server import BoardServer, board

# Notes where a row is seen in every frame, until stopSampling() returns the distinct places.
SAMPLE_PLACES = """row => {
  const places = new Set();
  let isOn = true;
  const look = () => places.add(Math.round(row.getBoundingClientRect().top));
  const sample = () => {
    look();
    if (isOn) requestAnimationFrame(sample);
  };
  sample();
  window.stopSampling = () => {
    isOn = false;
    look();
    return [...places];
  };
}"""
ROWS_REST = "() => [...document.querySelectorAll('#rows tr')].every(row => row.getAnimations().length === 0)"


async def places_while_overtaking(page: Page, server: BoardServer) -> list[int]:
    """The distinct heights at which Cy's row is seen while it climbs from the third place to the first."""
    await expect(names(page)).to_have_text([NAMES[user] for user in ("ada", "bo", "cy")])
    await row(page, "cy").evaluate(SAMPLE_PLACES)
    server.push("daily", ranked(2, {"cy": 130, "ada": 120, "bo": 90}))
    await expect(names(page)).to_have_text([NAMES[user] for user in ("cy", "ada", "bo")])
    await page.wait_for_function(ROWS_REST)
    places: list[int] = await page.evaluate("window.stopSampling()")
    return places


async def test_board_shows_rank_name_and_score(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 12_840, "bo": 900})
    page = (await visit()).page
    await expect(rows(page)).to_have_count(2)
    await expect(row(page, "ada").get_by_role("cell")).to_have_text(["1", "12,840"])
    await expect(row(page, "ada").get_by_role("rowheader")).to_contain_text(NAMES["ada"])
    await expect(page.locator("#age")).to_contain_text("Updated")


async def test_equal_scores_share_the_rank_and_the_next_is_skipped(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 50, "bo": 40, "cy": 40, "dee": 10})
    page = (await visit()).page
    await expect(page.locator("#rows .medal")).to_have_text(["1", "2", "2", "4"])


async def test_only_ten_rows_are_shown(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {f"user-{number}": 1000 - number for number in range(25)})
    page = (await visit()).page
    await expect(rows(page)).to_have_count(10)
    await expect(names(page).last).to_have_text("user-9")


async def test_row_that_overtakes_is_the_same_element_and_slides(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 120, "bo": 90, "cy": 80})
    page = (await visit()).page
    await row(page, "cy").evaluate("row => { row.mark = 'kept'; window.isSamePage = true; }")
    places = await places_while_overtaking(page, server)
    assert len(places) > 3, places
    assert places[0] - places[-1] == 2 * 56
    assert await rows(page).first.evaluate("row => [row.mark, window.isSamePage]") == ["kept", True]


async def test_rows_do_not_slide_under_reduced_motion(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 120, "bo": 90, "cy": 80})
    page = (await visit(reduced_motion="reduce")).page
    await page.evaluate("""() => {
      window.animations = 0;
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (...args) { window.animations += 1; return animate.apply(this, args); };
      document.addEventListener("transitionrun", () => { window.animations += 1; });
    }""")
    places = await places_while_overtaking(page, server)
    assert len(places) == 2, places
    await expect(row(page, "cy").locator(".points")).to_have_text("130")
    await expect(row(page, "cy").locator(".delta")).to_have_text("+50")
    assert await page.evaluate("[window.animations, document.getAnimations().length]") == [0, 0]
    assert await rows(page).first.evaluate("row => getComputedStyle(row).transform") == "none"


async def test_score_change_is_counted_up_and_named(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 1_000, "bo": 900})
    page = (await visit()).page
    points = row(page, "bo").locator(".points")
    await expect(points).to_have_text("900")
    await points.evaluate("""points => {
      window.shownScores = [];
      new MutationObserver(() => window.shownScores.push(Number(points.textContent)))
        .observe(points, { childList: true });
    }""")
    server.push("daily", ranked(2, {"ada": 1_000, "bo": 950}))
    await expect(row(page, "bo").locator(".delta")).to_have_text("+50")
    await expect(row(page, "bo").locator(".delta")).to_have_css("opacity", "1")
    await expect(points).to_have_text("950")
    shown = await page.evaluate("window.shownScores")
    assert len(shown) > 2
    assert shown == sorted(shown)
    assert shown[-1] == 950
    await expect(row(page, "bo").locator(".delta")).to_have_css("opacity", "0")


async def test_lost_points_are_shown_as_a_loss(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 1_000, "bo": 900})
    page = (await visit()).page
    await expect(rows(page)).to_have_count(2)
    server.push("daily", ranked(2, {"bo": 900, "ada": 700}))
    await expect(row(page, "ada").locator(".delta")).to_have_text("−300")
    await expect(row(page, "ada").locator(".move")).to_have_text("▼")
    await expect(row(page, "bo").locator(".move")).to_have_text("▲")


async def test_user_who_left_the_board_is_removed(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 30, "bo": 20})
    page = (await visit()).page
    await expect(rows(page)).to_have_count(2)
    server.push("daily", ranked(2, {"cy": 40, "ada": 30}))
    await expect(names(page)).to_have_text([NAMES["cy"], NAMES["ada"]])


async def test_lower_version_is_ignored(server: BoardServer, visit: Visitor) -> None:
    """Time is the test's own: after the old board was handed over, any drawing put off because of it has come due."""
    server.boards["daily"] = ranked(5, {"ada": 120, "bo": 90})
    visited = await visit(has_clock=True)
    page = visited.page
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    server.push("daily", ranked(4, {"bo": 110, "ada": 100}))
    await visited.received(4)
    await page.clock.run_for(2_000)
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    await expect(row(page, "ada").locator(".points")).to_have_text("120")
    server.push("daily", ranked(6, {"bo": 130, "ada": 120}))
    await expect(names(page)).to_have_text([NAMES["bo"], NAMES["ada"]])


async def test_version_does_not_go_back_by_leaving_a_period_and_returning(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(5, {"ada": 120})
    server.boards["weekly"] = ranked(3, {"bo": 300})
    visited = await visit(has_clock=True)
    page = visited.page
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await page.get_by_role("radio", name="This week").check()
    await expect(names(page)).to_have_text([NAMES["bo"]])
    server.boards["daily"] = ranked(4, {"cy": 1})
    await page.get_by_role("radio", name="Today").check()
    await visited.received(4)
    await page.clock.run_for(2_000)
    await expect(names(page)).to_have_text([NAMES["ada"]])


async def test_new_day_starts_empty_and_the_old_one_does_not_return(server: BoardServer, visit: Visitor) -> None:
    """The first board of a day nobody has scored in has version 0, below the last of the day before."""
    today, tomorrow = "daily:2026-11-24", "daily:2026-11-25"
    server.boards["daily"] = ranked(5, {"ada": 120, "bo": 90}, period=today)
    visited = await visit(has_clock=True)
    page = visited.page
    await expect(names(page)).to_have_text([NAMES["ada"], NAMES["bo"]])
    server.push("daily", ranked(0, {}, period=tomorrow, as_of=None))
    await expect(page.get_by_text("No points yet today")).to_be_visible()
    server.push("daily", ranked(6, {"ada": 130}, period=today))
    await visited.received(6)
    await page.clock.run_for(2_000)
    await expect(rows(page)).to_have_count(0)
    server.push("daily", ranked(7, {"bo": 10}, period=tomorrow))
    await expect(names(page)).to_have_text([NAMES["bo"]])


async def test_scores_of_another_day_are_not_counted_as_changes(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(5, {"ada": 120, "bo": 90}, period="daily:2026-11-24")
    page = (await visit()).page
    await expect(rows(page)).to_have_count(2)
    server.push("daily", ranked(6, {"bo": 15, "ada": 10}, period="daily:2026-11-25"))
    await expect(names(page)).to_have_text([NAMES["bo"], NAMES["ada"]])
    await expect(page.locator("#rows .delta")).to_have_text(["", ""])
    await expect(page.locator("#lead-spoken")).to_have_text("")


async def test_burst_of_boards_is_drawn_seldom_and_ends_on_the_newest(server: BoardServer, visit: Visitor) -> None:
    """500 boards at once, each with another order: the last one stays, drawn at most a few times on the way."""
    users = list(NAMES)
    server.boards["daily"] = ranked(1, dict.fromkeys(users, 10))
    page = (await visit()).page
    await expect(rows(page)).to_have_count(4)
    await page.evaluate("""() => {
      window.draws = 0;
      new MutationObserver(() => { window.draws += 1; })
        .observe(document.querySelector("#rows"), { childList: true });
    }""")
    for version in range(2, 502):
        turn = version % 4
        order = users[turn:] + users[:turn]
        server.push("daily", ranked(version, {user: 1000 * version - place for place, user in enumerate(order)}))
    await expect(page.locator("#rows .points").first).to_have_text("501,000")
    await expect(names(page)).to_have_text([NAMES[user] for user in ("bo", "cy", "dee", "ada")])
    await page.wait_for_function(ROWS_REST)
    assert await page.evaluate("window.draws") < 50


async def test_empty_board_says_so_and_fills(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = board(1, [], as_of=None)
    page = (await visit()).page
    await expect(page.get_by_text("No points yet today")).to_be_visible()
    await expect(page.locator("#age")).to_be_hidden()
    server.push("daily", ranked(2, {"ada": 10}))
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await expect(page.get_by_text("No points yet today")).to_be_hidden()


@pytest.mark.parametrize(
    "hostile",
    [
        "<img src=/pwned onerror=\"window.pwned='img'\">",
        "<script>window.pwned='script'</script>",
        '"><svg/onload="window.pwned=\'svg\'">',
        "{{constructor.constructor('window.pwned=1')()}}",
    ],
)
async def test_hostile_names_are_inert_text(hostile: str, server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = board(
        1, [(1, hostile, "", 30), (2, "bo", hostile, 20)], as_of=now_ms(), stale_shards=[hostile]
    )
    page = (await visit()).page
    await expect(names(page)).to_have_text([hostile, hostile])
    await expect(page.locator("#notice")).to_contain_text(hostile)
    assert await page.locator("#rows :is(img, script, svg)").count() == 0
    assert await page.evaluate("window.pwned") is None
    assert "/pwned" not in server.paths


async def test_policy_is_in_force(server: BoardServer, visit: Visitor) -> None:
    """Shows that the watch kept on every visit would see a violation."""
    server.boards["daily"] = ranked(1, {"ada": 1})
    visited = await visit()
    await visited.page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.pwned = true";
      document.body.append(script);
    }""")
    await visited.page.wait_for_function("window.violations.length > 0")
    assert await visited.page.evaluate("[window.pwned ?? null, window.violations.splice(0)]") == [
        None,
        ["script-src-elem"],
    ]
    assert any("console error" in fault for fault in visited.faults)
    visited.faults.clear()
