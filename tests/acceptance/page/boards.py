"""Boards and questions about the shown page that several test files of the page share."""

import time

from playwright.async_api import Locator, Page

from tests.support.board_server import Board, board

NAMES = {"ada": "Ada Moreno", "bo": "Bo Lindqvist", "cy": "Cy Okafor", "dee": "Dee Haddad"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def ranked(version: int, scores: dict[str, int], **changes: object) -> Board:
    """A board of these users' scores in the order given, ranked by competition (1, 2, 2, 4)."""
    ordered = list(scores.values())
    rows = [(1 + ordered.index(score), user, NAMES.get(user, user), score) for user, score in scores.items()]
    return {**board(version, rows, as_of=now_ms()), **changes}


def rows(page: Page) -> Locator:
    return page.locator("#rows tr")


def row(page: Page, user: str) -> Locator:
    return rows(page).filter(has_text=NAMES[user])


def names(page: Page) -> Locator:
    return page.locator("#rows .name")


def connection(page: Page) -> Locator:
    return page.locator("#connection")
