"""All services' settings in one list."""

from pathlib import Path

from shardboard.all_settings import READERS, read_all

CATALOGUE = Path(__file__).resolve().parents[3] / "actions.toml"


def test_a_worker_is_checked_with_a_shard_of_the_deployment() -> None:
    found = read_all({"SHARDBOARD_SHARDS": "eu=redis://a:1/0,us=redis://b:1/0"})
    assert not [fault for fault in found.faults if "SHARDBOARD_SHARD " in fault]


def test_the_defaults_are_in_order() -> None:
    found = read_all({"SHARDBOARD_ACTIONS_FILE": str(CATALOGUE)})
    assert (found.faults, found.unknown) == ((), ())
    assert {service for setting in found.settings for service in setting.services} == set(READERS)
    assert [setting.name for setting in found.settings] == sorted({setting.name for setting in found.settings})


def test_only_what_no_service_reads_is_unknown() -> None:
    found = read_all({"SHARDBOARD_TICK_MS": "1", "SHARDBOARD_LEASE_MS": "5000", "SHARDBOARD_NONE": "", "HOME": "/"})
    assert found.unknown == ("SHARDBOARD_NONE",)


def test_one_fault_of_a_shared_setting_is_told_once() -> None:
    found = read_all({"SHARDBOARD_PERIODS": "hourly", "SHARDBOARD_ACTIONS_FILE": str(CATALOGUE)})
    assert len(found.faults) == 1
