"""The committed page of commands says what can be typed."""

import re
from pathlib import Path

from shardboard.cli.app import COMMANDS
from shardboard.command_page import command_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == command_page(), "run: shardboard docs commands > docs/cli.md"


def test_every_command_and_every_option_of_it_is_there() -> None:
    page = command_page()
    titles = re.findall(r"^## `shardboard ([a-z-]+)`$", page, re.MULTILINE)
    assert titles == list(COMMANDS)
    replay = page.partition("## `shardboard replay`")[2].partition("\n## ")[0]
    for option in ("`--url`", "`--journal`", "`SHARDBOARD_TOKEN`", "`FILE` | required"):
        assert option in replay
    assert "### `shardboard dead replay`" in page
    assert "completion" not in page
