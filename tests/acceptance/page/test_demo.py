"""The demo panel: it is there only in demo mode, performs an action as a demo user and tells what became of it."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.acceptance.page.boards import NAMES, names, ranked
from tests.acceptance.page.conftest import Visitor
from tests.support.board_server import Answer, BoardServer

DEMO = {
    "users": [{"user_id": user, "name": name} for user, name in NAMES.items()],
    "actions": [
        {"name": "commit", "description": "Push a commit", "points": 10},
        {"name": "bugfix", "description": "Fix a bug", "points": 15},
    ],
}
RECORDED = Answer(201, {"action_id": "0f9c", "points": 15, "partition": 12, "offset": 3481})


@pytest.fixture
def demo_server(server: BoardServer) -> BoardServer:
    server.boards["daily"] = ranked(1, {"ada": 20})
    server.demo = DEMO
    server.demo_answer = RECORDED
    return server


async def perform(page: Page) -> None:
    await page.get_by_role("button", name="Perform action").click()


async def test_no_panel_outside_demo_mode(server: BoardServer, visit: Visitor) -> None:
    server.boards["daily"] = ranked(1, {"ada": 20})
    page = (await visit()).page
    await expect(names(page)).to_have_text([NAMES["ada"]])
    async with page.expect_response("**/demo"):
        await page.reload()
    await expect(names(page)).to_have_text([NAMES["ada"]])
    await expect(page.get_by_role("complementary")).to_have_count(0)


async def test_action_is_performed_as_the_chosen_user(demo_server: BoardServer, visit: Visitor) -> None:
    page = (await visit()).page
    await page.get_by_label("Act as").select_option(label=NAMES["bo"])
    await page.get_by_role("radio", name="Fix a bug").check()
    await perform(page)
    toast = page.locator("#toast-good .toast")
    await expect(toast).to_contain_text(
        re.compile(rf"\+15 {NAMES['bo']} recorded in \d+\sms at partition 12, offset 3,481")
    )
    assert demo_server.demo_actions == [{"user_id": "bo", "action": "bugfix"}]
    assert page.url == f"{demo_server.url}/"


async def test_action_is_performed_by_keyboard_and_focus_stays(demo_server: BoardServer, visit: Visitor) -> None:
    page = (await visit()).page
    button = page.get_by_role("button", name="Perform action")
    await button.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#toast-good .toast")).to_be_visible()
    await expect(button).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator(".toast")).to_have_count(0)
    await expect(button).to_be_focused()


async def test_second_press_waits_for_the_first_answer(demo_server: BoardServer, visit: Visitor) -> None:
    demo_server.hold_demo()
    page = (await visit()).page
    button = page.get_by_role("button", name="Perform action")
    await button.click()
    await expect(button).to_have_attribute("aria-disabled", "true")
    await button.click(force=True)
    demo_server.release_demo()
    await expect(page.locator("#toast-good .toast")).to_be_visible()
    await expect(button).not_to_have_attribute("aria-disabled", "true")
    assert len(demo_server.demo_actions) == 1


async def test_refusal_shows_the_problem_until_it_is_dismissed(demo_server: BoardServer, visit: Visitor) -> None:
    problem = {"type": "urn:shardboard:problem:rate-limited", "title": "Too many actions", "detail": "Wait <b>2 s</b>."}
    demo_server.demo_answer = Answer(429, problem, "application/problem+json")
    page = (await visit(has_clock=True, expects_refusals=True)).page
    await perform(page)
    alert = page.get_by_role("alert")
    await expect(alert).to_contain_text("Too many actions Wait <b>2 s</b>.")
    await page.clock.run_for(60_000)
    await expect(alert).to_contain_text("Too many actions")
    await page.get_by_role("button", name="Dismiss").click()
    await expect(page.locator(".toast")).to_have_count(0)


async def test_answer_that_is_no_problem_document_is_still_told(demo_server: BoardServer, visit: Visitor) -> None:
    demo_server.demo_answer = Answer(502, ["bad gateway"])
    page = (await visit(expects_refusals=True)).page
    await perform(page)
    await expect(page.get_by_role("alert")).to_contain_text("Not recorded The gateway answered 502.")


async def test_unanswered_action_is_told_as_unknown(demo_server: BoardServer, visit: Visitor) -> None:
    page = (await visit(expects_refusals=True)).page
    await page.route("**/demo/actions", lambda route: route.abort())
    await perform(page)
    await expect(page.get_by_role("alert")).to_contain_text("The action may have been recorded or not.")


async def test_success_leaves_by_itself(demo_server: BoardServer, visit: Visitor) -> None:
    page = (await visit(has_clock=True)).page
    await perform(page)
    await expect(page.locator("#toast-good .toast")).to_be_visible()
    await page.clock.run_for(7_000)
    await expect(page.locator(".toast")).to_have_count(0)


async def test_hostile_users_and_actions_are_inert_text(demo_server: BoardServer, visit: Visitor) -> None:
    hostile = "<img src=/pwned onerror='window.pwned=1'>"
    demo_server.demo = {
        "users": [{"user_id": hostile, "name": hostile}],
        "actions": [{"name": hostile, "description": hostile, "points": 1}],
    }
    page = (await visit()).page
    await expect(page.locator(".action-name")).to_have_text(hostile)
    await perform(page)
    await expect(page.locator("#toast-good .toast")).to_contain_text(hostile)
    assert demo_server.demo_actions == [{"user_id": hostile, "action": hostile}]
    assert await page.evaluate("window.pwned") is None
    assert "/pwned" not in demo_server.paths
