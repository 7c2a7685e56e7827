"""Settings are read once, within bounds, all faults are told at once, and a secret is never shown."""

from pathlib import Path

import pytest

from foundation.env import BadSettings, Env


def test_defaults_hold_where_nothing_is_set() -> None:
    env = Env({"SHARDBOARD_EMPTY": ""})
    assert env.text("EMPTY", "x", meaning="m") == "x"
    assert env.whole("N", 5, low=1, high=9, meaning="m") == 5
    assert env.flag("F", True, meaning="m") is True
    assert env.choice("C", "a", choices=("a", "b"), meaning="m") == "a"
    env.check()
    assert all(setting.is_default for setting in env.read.values())


def test_values_are_read_from_their_variables() -> None:
    env = Env({"SHARDBOARD_N": "9", "SHARDBOARD_F": "Off", "SHARDBOARD_C": "b", "N": "1"})
    assert env.whole("N", 5, low=1, high=9, meaning="m") == 9
    assert env.flag("F", True, meaning="m") is False
    assert env.choice("C", "a", choices=("a", "b"), meaning="m") == "b"
    env.check()
    assert not any(setting.is_default for setting in env.read.values())


@pytest.mark.parametrize("raw", ["0", "10", "x", "1.5", "1e0"])
def test_a_number_out_of_bounds_is_told_with_its_name_value_and_rule(raw: str) -> None:
    env = Env({"SHARDBOARD_N": raw})
    assert env.whole("N", 5, low=1, high=9, meaning="m") == 5
    with pytest.raises(BadSettings) as refusal:
        env.check()
    assert refusal.value.faults == (f"SHARDBOARD_N = {raw!r} must be a whole number from 1 to 9",)


def test_all_faults_are_told_at_once() -> None:
    env = Env({"SHARDBOARD_N": "x", "SHARDBOARD_F": "maybe", "SHARDBOARD_C": "z", "SHARDBOARD_P": "q"})
    env.whole("N", 5, low=1, high=9, meaning="m")
    env.flag("F", True, meaning="m")
    env.choice("C", "a", choices=("a", "b"), meaning="m")
    env.parsed("P", "1", parse=int, meaning="m")
    env.require(False, "a = 1 must be ≥ b = 2")
    env.require(True, "holds")
    with pytest.raises(BadSettings) as refusal:
        env.check()
    told = refusal.value.faults
    assert [fault.partition(" ")[0] for fault in told] == [
        "SHARDBOARD_N",
        "SHARDBOARD_F",
        "SHARDBOARD_C",
        "SHARDBOARD_P",
        "a",
    ]
    assert str(refusal.value).splitlines() == list(told)


def test_a_secret_is_never_shown() -> None:
    env = Env({"SHARDBOARD_S": "hunter2"})
    assert env.secret("S", "", meaning="m") == "hunter2"
    assert env.read["S"].shown == "(set)"
    assert "hunter2" not in env.read["S"].shown


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n", encoding="utf-8")
    env = Env({"SHARDBOARD_S_FILE": str(file)})
    assert env.secret("S", "default", meaning="m") == "hunter2"
    env.check()
    assert env.unknown() == []


def test_a_secret_from_two_places_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("in-file", encoding="utf-8")
    env = Env({"SHARDBOARD_S": "in-variable", "SHARDBOARD_S_FILE": str(file)})
    env.secret("S", "", meaning="m")
    with pytest.raises(BadSettings, match="both set") as refusal:
        env.check()
    assert "in-variable" not in str(refusal.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_secret_file_is_told_without_its_content(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    env = Env({"SHARDBOARD_S_FILE": str(file)})
    env.secret("S", "default", meaning="m")
    with pytest.raises(BadSettings, match="cannot be read"):
        env.check()


def test_an_empty_secret_file_is_told(tmp_path: Path) -> None:
    """Else a failed mount would silently mean the development secret."""
    file = tmp_path / "secret"
    file.write_text("\n", encoding="utf-8")
    env = Env({"SHARDBOARD_S_FILE": str(file)})
    env.secret("S", "default", meaning="m")
    with pytest.raises(BadSettings, match="SHARDBOARD_S_FILE"):
        env.check()


def test_a_misspelt_variable_is_found() -> None:
    env = Env({"SHARDBOARD_KAFAK": "x", "SHARDBOARD_TEST_KAFKA": "x", "SHARDBOARD_N": "1", "PATH": "/"})
    env.whole("N", 1, low=1, high=2, meaning="m")
    assert env.unknown() == ["SHARDBOARD_KAFAK"]
