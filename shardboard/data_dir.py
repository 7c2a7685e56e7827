"""The folder of a deployment that `up` runs: what lies where, what is stored with it, and who holds it."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

import msgspec

DATA_DIR_DEFAULT: Final = Path(".shardboard")
SECRET_BYTES: Final = 48
"""384 bits, above what HS256 can use."""
_STORED: Final = "deployment.json"
_FOLDERS: Final = ("kafka", "postgres", "cache", "logs")
_FILES: Final = (_STORED, "run.json", "jwt-secret", "pgpass")
_BEFORE: Final = ("lock", "up.log")
"""What lies here before anything is stored; both are open while --fresh deletes the rest."""
_SHARD_FOLDER: Final = "redis-"


class Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is fixed for the life of a deployment, and the ports that it had last."""

    version: Literal[1] = 1
    made_by: Literal["shardboard"] = "shardboard"
    partitions: int
    shards: int
    shard_names: tuple[str, ...] = ()
    """Empty: s1…sN. Shards come with `up --shards`, and go when a plan has taken all that they had."""
    periods: str
    ports: dict[str, int] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The shards' names."""
        return self.shard_names or tuple(f"s{number}" for number in range(1, self.shards + 1))


class HeldByAnother(Exception):
    """Another `up` runs on this folder."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"held by process {pid}")
        self.pid = pid


class DataDir:
    """Paths and files of one folder. Nothing is created before it is needed."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.run_file = self.path / "run.json"
        self.logs = self.path / "logs"
        self.up_log = self.path / "up.log"

    def server_dir(self, name: str) -> Path:
        """Where an embedded server keeps its data and its log."""
        return self.path / name

    def stored(self) -> Stored | None:
        """What the folder's deployment was made with; None when there is none. Raises ValueError when damaged."""
        try:
            return msgspec.json.decode((self.path / _STORED).read_bytes(), type=Stored)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except msgspec.MsgspecError as error:
            raise ValueError(f"{self.path / _STORED} is damaged: {error}") from error

    def store(self, stored: Stored) -> None:
        """Keep it, whole or not at all."""
        write_whole(self.path / _STORED, msgspec.json.format(msgspec.json.encode(stored)))

    def is_foreign(self) -> bool:
        """Whether the path holds something that is not a deployment."""
        if self.path.is_dir():
            return self.stored() is None and any(entry.name not in _BEFORE for entry in self.path.iterdir())
        return self.path.exists()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep every other `up` away, until the block or this process ends, however it ends. Raises HeldByAnother."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                holder = lock.read().strip()
                raise HeldByAnother(int(holder) if holder.isdigit() else None) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def jwt_secret_file(self) -> Path:
        """The deployment's own random key, made at first use, readable by its owner alone."""
        return self._private("jwt-secret", secrets.token_urlsafe(SECRET_BYTES), keep=True)

    def pgpass_file(self, line: str) -> Path:
        """The password file that the Postgres URL names, so that the URL itself holds no secret."""
        return self._private("pgpass", line, keep=False)

    def delete_deployment(self) -> None:
        """Delete what `up` made here, and nothing else. Only while holding it."""
        for name in _FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)
        for folder in self.path.glob(_SHARD_FOLDER + "*"):
            shutil.rmtree(folder)
        for name in _FILES:
            (self.path / name).unlink(missing_ok=True)

    def _private(self, name: str, text: str, *, keep: bool) -> Path:
        path = self.path / name
        if not (keep and path.exists()):
            write_whole(path, text.encode(), mode=0o600)
        return path


def redis_name(shard: str) -> str:
    """The name of a shard's Redis server among the processes, and of its folder."""
    return _SHARD_FOLDER + shard


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Replace a file so that a reader, or a crash of this process, sees the old one or the new one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
    draft.replace(path)
