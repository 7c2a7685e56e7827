"""What the machine is asked: ports and their holders, disk, the catalogue."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.catalogue import parse_catalogue
from shardboard.data_dir import DataDir
from shardboard.supervisor.facts import catalogue_file, collect, is_free_on, port_holder


@pytest.fixture(params=["127.0.0.1", "::1"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.create_server((request.param, 0), family=family) as server:
        yield request.param, server.getsockname()[1]


def test_a_taken_port_and_its_holder_are_seen(listening: tuple[str, int]) -> None:
    host, port = listening
    assert not is_free_on(host, port)
    holder = port_holder(port)
    assert holder is not None
    assert holder.pid == os.getpid()
    assert "python" in holder.command


def test_a_port_that_was_closed_is_free_and_nobodys(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert is_free_on("127.0.0.1", port)
    assert port_holder(port) is None


def test_facts_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        facts = collect(DataDir(tmp_path / "a" / "b"), host="127.0.0.1", port=port, actions_file=tmp_path / "none.toml")
    assert facts.disk_free > 0
    assert (facts.is_foreign, facts.stored, facts.missing_modules) == (False, None, ())
    assert not facts.port_is_free
    assert facts.port_holder is not None
    assert facts.actions_fault is not None
    assert "none.toml" in facts.actions_fault
    assert list(tmp_path.iterdir()) == []


def test_the_catalogue_is_the_given_one_else_the_folders_else_the_packaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert catalogue_file(Path("mine.toml")) == Path("mine.toml")
    packaged = catalogue_file(None)
    assert "commit" in parse_catalogue(packaged.read_text())
    (tmp_path / "actions.toml").write_text("[actions.x]\npoints = 1\n")
    assert "x" in parse_catalogue(catalogue_file(None).read_text())
