"""The page on a whole deployment: nothing scripted between the button and the row that moves."""

import asyncio
import signal
from collections.abc import AsyncIterator
from functools import partial
from os import kill
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from shardboard.embedded.ports import free_ports
from tests.support.command import shardboard, valid

MOVED_WITHIN_MS = 30_000


@pytest.fixture
async def deployment(tmp_path: Path) -> AsyncIterator[dict[str, Any]]:
    """A deployment in demo mode; its status."""

    async def run(*words: str) -> CompletedProcess[str]:
        return await asyncio.to_thread(partial(shardboard, *words, cwd=tmp_path))

    try:
        up = await run("up", "--detach", "--port", str(free_ports(1)[0]), "--shards", "2", "--partitions", "8")
        assert up.returncode == 0, up.stdout + up.stderr
        status = await run("status", "--output", "json")
        yield valid(status.stdout, "status")
    finally:
        await run("down")


async def test_a_demo_action_moves_its_row_and_a_dead_merger_is_told(
    browser: Browser, deployment: dict[str, Any]
) -> None:
    context = await browser.new_context(locale="en-US")
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    await page.goto(deployment["url"])
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=MOVED_WITHIN_MS)
    for _ in range(30):
        await act(page, user="Ada Okafor")
    await expect(page.locator("#rows tr").first).to_contain_text("Ada Okafor", timeout=MOVED_WITHIN_MS)
    assert faults == []
    merger = next(process for process in deployment["processes"] if process["name"] == "merger")
    kill(merger["pid"], signal.SIGSTOP)
    try:
        await expect(page.locator("#connection")).to_have_attribute("data-state", "stale", timeout=MOVED_WITHIN_MS)
    finally:
        kill(merger["pid"], signal.SIGCONT)
    await expect(page.locator("#connection")).to_have_attribute("data-state", "live", timeout=MOVED_WITHIN_MS)
    await context.close()


async def act(page: Page, *, user: str) -> None:
    await page.get_by_label("Act as").select_option(label=user)
    async with page.expect_response("**/demo/actions") as answer:
        await page.get_by_role("button", name="Perform action").click()
    assert (await answer.value).status == 201
