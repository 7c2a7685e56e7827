"""The journal of a replay: which lines the gateway has acknowledged, so that a restart sends only the others.

Append-only NDJSON. The first line binds it to the content of one file; each further line is one batch, fsynced. Layout
version 1. A torn last line is what a crash leaves: it is cut off, and its lines are sent again with the same ids.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from shardboard.replay.lines import FileSurvey
from shardboard.replay.ranges import Range, merge

VERSION: Final = 1


class BadJournal(Exception):
    """The journal cannot be used; the message says why and what to do."""


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind"):
    pass


class _File(_Entry, frozen=True, tag="file"):
    v: Literal[1]
    content_bytes: int
    lines: int
    sha256: str


class _Began(_Entry, frozen=True, tag="began"):
    """Durable before the first line is sent. A run that began and did not end has lines of unknown outcome."""

    at_ms: int


class _Accepted(_Entry, frozen=True, tag="accepted"):
    at_ms: int
    lines: list[Range]


class _Ended(_Entry, frozen=True, tag="ended"):
    at_ms: int
    unknown: list[Range]
    """Lines that this run sent and that were never answered."""
    is_complete: bool
    """Every line of the file has a known outcome, whatever earlier runs left."""


_Batch = _Began | _Accepted | _Ended
_batch_decoder: msgspec.json.Decoder[_Batch] = msgspec.json.Decoder(_Batch)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs left behind."""

    accepted: list[Range]
    unknown_since_ms: int | None = None
    """The oldest time at which a line may have reached the log without its acceptance standing here."""


class Journal:
    """One file, one writer. `open` reads it; then `begin`, `append`…, `end`. Each blocks for an fsync: use a thread."""

    def __init__(self, path: Path, descriptor: int, *, earlier: Earlier) -> None:
        self.path = path
        self.earlier = earlier
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, source: FileSurvey) -> "Journal":
        """Open or begin the journal of this file. Raises BadJournal: another file's, damaged, or in use."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise BadJournal(f"{path}: {error.strerror}") from error
        try:
            _lock(path, descriptor)
            return cls(path, descriptor, earlier=_recover(path, descriptor, source=source))
        except BaseException:
            os.close(descriptor)
            raise

    def begin(self, *, at_ms: int) -> None:
        """Note that lines are going to be sent."""
        _write(self._descriptor, _Began(at_ms))

    def append(self, *, at_ms: int, accepted: list[Range]) -> None:
        """Make these acceptances durable."""
        _write(self._descriptor, _Accepted(at_ms, accepted))

    def end(self, *, at_ms: int, unknown: list[Range], is_complete: bool) -> None:
        """Note that this run has ended in order, and which of its lines have an unknown outcome."""
        _write(self._descriptor, _Ended(at_ms, unknown, is_complete))

    def close(self) -> None:
        """Release the file; may be called once."""
        os.close(self._descriptor)


def may_count_twice(earlier: Earlier, *, now_ms: int, window_ms: int, tried_ms: int) -> bool:
    """Whether a line that was sent earlier without an answer could be sent after its id was forgotten.

    Ids are remembered for `window_ms` at least. Both the earlier run and this one may try a line for `tried_ms`.
    """
    since_ms = earlier.unknown_since_ms
    return since_ms is not None and now_ms - since_ms > window_ms - 2 * tried_ms


def read_journal(path: Path) -> tuple[FileSurvey, Earlier]:
    """What a journal holds, without touching it. Raises BadJournal."""
    header, batches, _ = _parse(path, path.read_bytes())
    if header is None:
        raise BadJournal(f"{path}: empty")
    return FileSurvey(header.content_bytes, header.lines, header.sha256), _earlier(batches)


def _lock(path: Path, descriptor: int) -> None:
    try:
        os.lockf(descriptor, os.F_TLOCK, 0)
    except OSError as error:
        raise BadJournal(f"{path}: another replay is writing this journal") from error


def _recover(path: Path, descriptor: int, *, source: FileSurvey) -> Earlier:
    data = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    header, batches, whole_bytes = _parse(path, data)
    wanted = _File(VERSION, source.content_bytes, source.lines, source.sha256)
    if header is None and not msgspec.json.encode(wanted).startswith(data):
        raise BadJournal(f"{path} is not a replay's journal: name another file")
    if header is not None and header != wanted:
        raise BadJournal(
            f"{path} belongs to a file of {header.lines:,} lines and {header.content_bytes:,} bytes with SHA-256 "
            f"{header.sha256[:12]}…, not to this one: name another journal"
        )
    if whole_bytes < len(data):
        os.ftruncate(descriptor, whole_bytes)
    if header is None:
        _write(descriptor, wanted)
        _sync_folder(path)
    return _earlier(batches)


def _parse(path: Path, data: bytes) -> tuple[_File | None, list[_Batch], int]:
    """Header, batches, and how many bytes are whole lines."""
    whole_bytes = data.rfind(b"\n") + 1
    lines = data[:whole_bytes].splitlines()
    if not lines:
        return None, [], 0
    try:
        header = msgspec.json.decode(lines[0], type=_File)
        batches = [_batch_decoder.decode(line) for line in lines[1:]]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadJournal(f"{path} is not a replay's journal, or is damaged: {error}") from error
    return header, batches, whole_bytes


def _earlier(batches: list[_Batch]) -> Earlier:
    try:
        accepted = merge(each for batch in batches if isinstance(batch, _Accepted) for each in batch.lines)
    except ValueError as error:
        raise BadJournal(f"damaged: {error}") from error
    return Earlier(accepted, _unknown_since_ms(batches))


def _unknown_since_ms(batches: list[_Batch]) -> int | None:
    """The last sign of life of the first run that left unknown lines, unless a later run settled every line.

    A run that is killed may have sent more after its last sign: that is younger still, and the older time decides.
    """
    since_ms: int | None = None
    for i, batch in enumerate(batches):
        if isinstance(batch, _Ended):
            if batch.is_complete:
                since_ms = None
            elif batch.unknown and since_ms is None:
                since_ms = batch.at_ms
        elif since_ms is None and (i + 1 == len(batches) or isinstance(batches[i + 1], _Began)):
            since_ms = batch.at_ms
    return since_ms


def _write(descriptor: int, entry: _File | _Batch) -> None:
    data = msgspec.json.encode(entry) + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)


def _sync_folder(path: Path) -> None:
    """Make the new file's name durable too."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
