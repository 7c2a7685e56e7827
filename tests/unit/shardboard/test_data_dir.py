"""The folder of a deployment: what is made in it, what is deleted from it, who may use it."""

import os
from pathlib import Path

import pytest

from shardboard.data_dir import DataDir, HeldByAnother, Stored, redis_name, write_whole

MADE = Stored(partitions=8, shards=2, periods="all_time", ports={"kafka": 20_001})


def test_what_is_stored_is_read_back(tmp_path: Path) -> None:
    folder = DataDir(tmp_path / "new")
    assert folder.stored() is None
    with folder.held():
        folder.store(MADE)
    assert DataDir(tmp_path / "new").stored() == MADE


def test_a_damaged_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "deployment.json").write_text('{"version": 1, "partitions": "many"}')
    with pytest.raises(ValueError, match=r"deployment\.json is damaged"):
        DataDir(tmp_path).stored()


@pytest.mark.parametrize("made", [[], ["lock"], ["lock", "up.log"]])
def test_an_empty_or_just_begun_folder_is_not_foreign(tmp_path: Path, made: list[str]) -> None:
    for name in made:
        (tmp_path / name).touch()
    assert not DataDir(tmp_path).is_foreign()
    assert not DataDir(tmp_path / "absent").is_foreign()


def test_other_files_and_no_folder_at_all_are_foreign(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    assert DataDir(tmp_path).is_foreign()
    assert DataDir(tmp_path / "thesis.txt").is_foreign()


def test_a_folder_is_held_by_one(tmp_path: Path) -> None:
    with DataDir(tmp_path).held():
        with pytest.raises(HeldByAnother) as held, DataDir(tmp_path).held():
            pass
        assert held.value.pid == os.getpid()
    with DataDir(tmp_path).held():
        pass


def test_secrets_are_their_owners_alone_and_stay(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    secret = folder.jwt_secret_file().read_text()
    assert len(secret) >= 64
    assert folder.jwt_secret_file().read_text() == secret
    folder.pgpass_file("one")
    assert folder.pgpass_file("two").read_text() == "two"
    for name in ("jwt-secret", "pgpass"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_fresh_deletes_what_up_made_and_nothing_else(tmp_path: Path) -> None:
    folder = DataDir(tmp_path)
    with folder.held():
        folder.store(MADE)
        folder.jwt_secret_file()
        for name in ("kafka", "postgres", "cache", redis_name("s1"), redis_name("s2"), "logs", "notes"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").touch()
        folder.run_file.touch()
        (tmp_path / "own.txt").touch()
        folder.delete_deployment()
        assert {entry.name for entry in tmp_path.iterdir()} == {"notes", "own.txt", "lock"}
        with pytest.raises(HeldByAnother), DataDir(tmp_path).held():
            pass


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_whole(path, b"first")
    with path.open("rb") as reader:
        write_whole(path, b"second")
        assert reader.read() == b"first"
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
