"""The archiver's settings."""

import pytest

from archiver.settings import read_settings
from foundation.env import BadSettings

URL = {"SHARDBOARD_POSTGRES_URL": "postgresql://board@db/board"}


def test_defaults_are_in_order() -> None:
    settings = read_settings(URL)
    assert (settings.scores_interval_ms, settings.upgrades_schema) == (1_000, False)
    assert settings.group == "shardboard-archiver-actions"


def test_postgres_must_be_named() -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_POSTGRES_URL is not set"):
        read_settings({})


def test_actions_stay_at_least_as_long_as_in_the_log() -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_RAW_KEPT_DAYS = '6' must be a whole number from 7"):
        read_settings({**URL, "SHARDBOARD_RAW_KEPT_DAYS": "6"})
