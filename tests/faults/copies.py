"""Older copies of a shard Redis's files, to roll it back to: what a fail-over or a restored disk does.

Append-only files only grow, and a rewrite makes new ones. So a copy is a hard link to each file with its length then.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.clock import monotonic_s

KEPT_MAX: Final = 6
_FOLDER: Final = "appendonlydir"
_MANIFEST: Final = "appendonly.aof.manifest"


@dataclass(frozen=True, slots=True)
class Copy:
    """The files as they stood."""

    taken_s: float
    folder: Path
    manifest: bytes
    bytes_of: tuple[tuple[str, int], ...]


class Copies:
    """The copies of one server. `data_dir` is the server's."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._folder = data_dir / "copies"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._taken = 0
        self.kept: list[Copy] = []

    def take(self) -> bool:
        """Keep the files as they stand; False when they changed their names meanwhile, or are not there yet.

        Of many copies the second newest goes: so that some are old.
        """
        source, folder = self._data_dir / _FOLDER, self._folder / str(self._taken)
        self._taken += 1
        folder.mkdir(parents=True)
        try:
            manifest = (source / _MANIFEST).read_bytes()
            bytes_of = []
            for name in _names(manifest):
                os.link(source / name, folder / name)
                bytes_of.append((name, (source / name).stat().st_size))
            is_whole = (source / _MANIFEST).read_bytes() == manifest
        except FileNotFoundError:
            is_whole = False
        if not is_whole:
            shutil.rmtree(folder)
            return False
        self.kept.append(Copy(monotonic_s(), folder, manifest, tuple(bytes_of)))
        if len(self.kept) > KEPT_MAX:
            shutil.rmtree(self.kept.pop(-2).folder)
        return True

    def roll_back(self, pick: int) -> float:
        """Put an older copy in the place of the files of the server, which must not run; its age in s.

        Copies that were taken later are gone, as a later part of the log has another history now.
        """
        number = pick % len(self.kept)
        copy = self.kept[number]
        target = self._data_dir / _FOLDER
        shutil.rmtree(target)
        target.mkdir()
        for name, size in copy.bytes_of:
            with (copy.folder / name).open("rb") as old, (target / name).open("wb") as new:
                shutil.copyfileobj(_Limited(old, size), new)
        (target / _MANIFEST).write_bytes(copy.manifest)
        for later in self.kept[number + 1 :]:
            shutil.rmtree(later.folder)
        del self.kept[number + 1 :]
        return monotonic_s() - copy.taken_s

    def start_from(self, snapshot: bytes) -> None:
        """Put an RDB file in the place of everything; the server must not run."""
        target = self._data_dir / _FOLDER
        shutil.rmtree(target)
        target.mkdir()
        name = "appendonly.aof.1.base.rdb"
        (target / name).write_bytes(snapshot)
        (target / _MANIFEST).write_text(f"file {name} seq 1 type b\n")

    def cut_tail(self, size: int) -> int:
        """Take up to `size` bytes from the end of the append-only file; how many it were."""
        source = self._data_dir / _FOLDER
        last = source / _names((source / _MANIFEST).read_bytes())[-1]
        length = last.stat().st_size
        kept = max(0, length - size)
        os.truncate(last, kept)
        return length - kept


class _Limited:
    """The first bytes of a file."""

    def __init__(self, file: "object", size: int) -> None:
        self._file = file
        self._left = size

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._file.read(min(self._left, size) if size >= 0 else self._left)  # type: ignore[attr-defined]
        self._left -= len(data)
        return data


def _names(manifest: bytes) -> list[str]:
    """The files that a manifest names, in its order: the base first."""
    return [line.split()[1] for line in manifest.decode().splitlines() if line.startswith("file ")]
