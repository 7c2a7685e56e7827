"""What `up` refuses before it starts anything, and what its messages tell to do."""

from dataclasses import replace
from pathlib import Path

import pytest

from shardboard.data_dir import Stored
from shardboard.supervisor.checks import (
    DISK_FREE_MIN,
    SHARDS_MAX,
    Asked,
    Facts,
    PortHolder,
    data_dir_faults,
    held_fault,
    machine_faults,
)

MADE = Stored(partitions=64, shards=3, periods="all_time,daily")
GOOD = Facts(
    python=(3, 11),
    missing_modules=(),
    data_dir=Path("/data"),
    is_foreign=False,
    stored=MADE,
    disk_free=DISK_FREE_MIN,
    port=8080,
    port_is_free=True,
    port_holder=None,
    actions_file=Path("actions.toml"),
    actions_fault=None,
)
NOTHING = Asked(shards=None, partitions=None, periods=None, fresh=False)


def test_a_good_machine_has_no_fault() -> None:
    assert machine_faults(GOOD) == []
    assert data_dir_faults(GOOD, NOTHING) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (replace(GOOD, python=(3, 10)), ["3.10", "3.11 or newer"]),
        (replace(GOOD, missing_modules=("jgo",)), ["jgo", "shardboard[embedded]"]),
        (replace(GOOD, disk_free=DISK_FREE_MIN - 1), ["1023 MiB", "--data-dir"]),
        (replace(GOOD, port_is_free=False), ["8080", "another program", "--port 8081"]),
        (
            replace(GOOD, port_is_free=False, port_holder=PortHolder(4711, "nginx -g")),
            ["8080", "process 4711 (nginx -g)", "--port 8081"],
        ),
        (replace(GOOD, port=65535, port_is_free=False), ["--port 8080"]),
        (replace(GOOD, actions_fault="no action"), ["--actions actions.toml", "no action"]),
    ],
)
def test_each_lack_is_named_with_what_to_do(facts: Facts, words: list[str]) -> None:
    (fault,) = machine_faults(facts)
    assert all(word in fault for word in words), fault


def test_all_lacks_are_told_at_once() -> None:
    assert len(machine_faults(replace(GOOD, python=(3, 9), disk_free=0, port_is_free=False))) == 3


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (replace(NOTHING, partitions=8), ["--partitions 8", "made with 64", "--fresh"]),
        (replace(NOTHING, periods="all_time,weekly"), ["SHARDBOARD_PERIODS", "all_time,daily", "--fresh"]),
        (replace(NOTHING, periods="hourly"), ["SHARDBOARD_PERIODS", "unknown period kind"]),
        (replace(NOTHING, shards=0), ["--shards 0", "from 1"]),
        (replace(NOTHING, shards=SHARDS_MAX + 1), [f"to {SHARDS_MAX}"]),
        (replace(NOTHING, shards=3, partitions=2), ["--partitions 2", "--shards 3"]),
        (replace(NOTHING, partitions=2, fresh=True), ["--partitions 2", "--shards 3"]),
        (replace(NOTHING, partitions=5000), ["--partitions 5000", "4096"]),
    ],
)
def test_what_cannot_run_on_the_folder_is_refused(asked: Asked, words: list[str]) -> None:
    (fault,) = data_dir_faults(GOOD, asked)
    assert all(word in fault for word in words), fault


@pytest.mark.parametrize(
    "asked",
    [
        Asked(shards=3, partitions=64, periods="daily,all_time", fresh=False),
        Asked(shards=4, partitions=8, periods="all_time", fresh=True),
    ],
)
def test_the_same_again_and_a_fresh_start_are_accepted(asked: Asked) -> None:
    assert data_dir_faults(GOOD, asked) == []


def test_anything_goes_on_a_new_folder() -> None:
    asked = Asked(shards=5, partitions=5, periods="all_time", fresh=False)
    assert data_dir_faults(replace(GOOD, stored=None), asked) == []


def test_a_foreign_folder_is_refused_even_fresh() -> None:
    (fault,) = data_dir_faults(replace(GOOD, is_foreign=True), replace(NOTHING, fresh=True))
    assert "/data" in fault
    assert "--data-dir" in fault


def test_the_other_up_is_named_by_its_process() -> None:
    assert "process 99" in held_fault(Path("/data"), 99)
    assert "shardboard down" in held_fault(Path("/data"), None)


@pytest.mark.parametrize("shards", [2, 4])
def test_number_of_shards_may_change(shards: int) -> None:
    """Whether fewer are enough only the map can tell."""
    assert data_dir_faults(GOOD, replace(NOTHING, shards=shards)) == []
