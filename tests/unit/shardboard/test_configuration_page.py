"""The committed page of settings says what the services read."""

import re
from pathlib import Path

from shardboard.all_settings import read_all
from shardboard.configuration_page import configuration_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "configuration.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == configuration_page(), (
        "run: shardboard config docs > docs/configuration.md"
    )


def test_every_setting_has_one_row_and_the_prose_names_no_other() -> None:
    page = configuration_page()
    names = {setting.name for setting in read_all({}).settings}
    rows = re.findall(r"^\| `(SHARDBOARD_[A-Z_]+)` \|", page, re.MULTILINE)
    assert sorted(rows) == sorted(names)
    assert set(re.findall(r"SHARDBOARD_[A-Z_]*[A-Z]", page)) <= names | {"SHARDBOARD_JWT_SECRET_FILE"}


def test_no_secret_is_in_it() -> None:
    assert "development-secret" not in configuration_page()
