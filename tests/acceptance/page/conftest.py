"""Debian's Chromium and a scripted board server for the tests of the page. Every visit is watched: a console error, a
policy violation, a script error or a request to another host fails the test that caused it."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from tests.support.board_server import BoardServer
from tests.support.services import missing

BROWSER_ARGS = ["--no-sandbox", "--disable-background-networking"]

# Each EventSource notes the version of every board and counts the heartbeats that reached it, so that a test can wait
# for something to be handled that must change nothing; each policy violation is noted with its directive.
WATCH_SCRIPT = """
window.receivedVersions = [];
window.heartbeats = 0;
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
window.EventSource = class extends EventSource {
  constructor(url) {
    super(url);
    this.addEventListener("board", (event) => window.receivedVersions.push(Number(event.lastEventId)));
    this.addEventListener("heartbeat", () => { window.heartbeats += 1; });
  }
};
"""


@dataclass(eq=False)
class Visit:
    """One page, and what went wrong on it. No slots: Playwright hangs its own attributes on the owner of a handler."""

    page: Page
    server: BoardServer
    faults: list[str] = field(default_factory=list)
    expects_refusals: bool = False

    def watch(self) -> None:
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        self.page.on("request", self._on_request)

    async def received(self, version: int) -> None:
        """Return once the page was handed the board of this version, shown or not."""
        await self.page.wait_for_function("version => window.receivedVersions.includes(version)", arg=version)

    async def check(self) -> None:
        violations = await self.page.evaluate("window.violations")
        assert (self.faults, violations) == ([], [])

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"} or self._is_expected(message):
            return
        self.faults.append(f"console {message.type}: {message.text} ({message.location})")

    def _is_expected(self, message: ConsoleMessage) -> bool:
        """Chromium reports each refused request as an error, however well the page takes it."""
        if "Failed to load resource" not in message.text:
            return False
        is_absent_demo = self.server.demo is None and str(message.location["url"]).endswith("/demo")
        return is_absent_demo or self.expects_refusals

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.server.url}/", "data:")):
            self.faults.append(f"foreign request: {request.url}")


Visitor = Callable[..., Awaitable[Visit]]


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = os.environ.get("SHARDBOARD_TEST_CHROMIUM") or shutil.which("chromium")
    if path is None:
        missing("Chromium", "install it (Debian: chromium) or set SHARDBOARD_TEST_CHROMIUM")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=BROWSER_ARGS)
        yield browser
        await browser.close()


@pytest.fixture
async def server() -> AsyncIterator[BoardServer]:
    server = BoardServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def visit(browser: Browser, server: BoardServer) -> AsyncIterator[Visitor]:
    """Open the page; options are Playwright's context options, has_clock makes time the test's own.
    expects_refusals lets requests be answered with an error without failing the test."""
    visits: list[Visit] = []

    async def open_page(
        path: str = "/", *, has_clock: bool = False, expects_refusals: bool = False, **options: Any
    ) -> Visit:
        context = await browser.new_context(locale="en-US", **options)
        context.set_default_timeout(15_000)
        page = await context.new_page()
        await page.add_init_script(WATCH_SCRIPT)
        if has_clock:
            await page.clock.install()
        visit = Visit(page, server, expects_refusals=expects_refusals)
        visit.watch()
        visits.append(visit)
        await page.goto(server.url + path)
        return visit

    yield open_page
    for each in visits:
        await each.check()
        await each.page.context.close()
