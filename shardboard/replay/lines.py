"""Reads the file of a replay, plain or gzip: first a survey (how much, and what identifies it), then line by line."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final, cast

from shardboard.replay.plan import LINE_BYTES_MAX

_CHUNK_BYTES: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"


class UnreadableFile(Exception):
    """The file cannot be read to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class FileSurvey:
    """What a file holds. All of it is of the content, so that a file and its gzip are the same file."""

    content_bytes: int
    lines: int
    sha256: str


def survey(path: Path) -> FileSurvey:
    """Read the file once. The digest is of the whole content, because it makes the ids of lines that have none: two
    files with equal beginnings must not share ids. Raises UnreadableFile."""
    digest = sha256()
    size = newlines = 0
    last = b"\n"
    try:
        with _open(path) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
                newlines += chunk.count(b"\n")
                last = chunk[-1:]
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFile(f"{path}: {error}") from error
    return FileSurvey(size, newlines + (last != b"\n"), digest.hexdigest())


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers from 1 and lines. A line above the limit comes cut to one byte more than the limit."""
    number = 0
    with _open(path) as file:
        while line := file.readline(LINE_BYTES_MAX + 2):
            number += 1
            rest = line
            while not rest.endswith(b"\n") and (rest := file.readline(_CHUNK_BYTES)):
                pass
            yield number, line


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path, "rb")) if is_gzip else path.open("rb")
