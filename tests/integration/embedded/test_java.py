"""Which Java runs Kafka: JAVA_HOME, then PATH, each only if it is new enough, then the wheel's."""

import os
from pathlib import Path

import pytest

from shardboard.embedded.java import JAVA_VERSION_MIN, find_java, java_version, wheel_java


def make_java(folder: Path, *, banner: str, exit_code: int = 0) -> Path:
    """A program that answers `-version` as a Java does."""
    java = folder / "java"
    folder.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{banner}\nEND\nexit {exit_code}\n")
    java.chmod(0o755)
    return java


def on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.defpath}")


def test_the_wheels_java_is_real_and_new_enough() -> None:
    version = java_version(wheel_java())
    assert version is not None
    assert version >= JAVA_VERSION_MIN


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_java(tmp_path / "home" / "bin", banner='openjdk version "21.0.1" 2023-10-17')
    on_path(monkeypatch, make_java(tmp_path / "path", banner='openjdk version "17.0.15"').parent)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == home


def test_an_old_java_home_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_java(tmp_path / "home" / "bin", banner='java version "1.8.0_392"')
    path = make_java(tmp_path / "path", banner='Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version "17" 2021-09-14')
    on_path(monkeypatch, path.parent)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert find_java() == path


@pytest.mark.parametrize(
    ("banner", "exit_code"),
    [('openjdk version "11.0.2" 2019-01-15', 0), ("no Java here", 0), ('openjdk version "21"', 1)],
    ids=["old", "no Java", "broken"],
)
def test_the_wheels_java_runs_where_no_other_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, banner: str, exit_code: int
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    on_path(monkeypatch, make_java(tmp_path / "path", banner=banner, exit_code=exit_code).parent)
    assert find_java() == wheel_java()
