"""The merger's settings: defaults, and faults that name the setting."""

import pytest

from foundation.env import BadSettings
from merger.settings import read_settings


def test_defaults_are_usable() -> None:
    assert read_settings({}).stale_after_ms == 3_000


def test_fault_names_setting_value_and_rule() -> None:
    with pytest.raises(BadSettings, match="SHARDBOARD_SHARD_STALE_AFTER_MS = '5' must be a whole number from 500"):
        read_settings({"SHARDBOARD_SHARD_STALE_AFTER_MS": "5"})
