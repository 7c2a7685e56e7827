"""Reading the file of a replay."""

import gzip
from hashlib import sha256
from pathlib import Path

import pytest

from shardboard.replay.lines import FileSurvey, UnreadableFile, read_lines, survey
from shardboard.replay.plan import LINE_BYTES_MAX


@pytest.mark.parametrize(
    ("content", "lines"), [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\nb", 2), (b"\n\n", 2), (b"a\n\nb\n", 3)]
)
def test_lines_are_counted_with_or_without_a_last_newline(tmp_path: Path, content: bytes, lines: int) -> None:
    path = tmp_path / "actions.ndjson"
    path.write_bytes(content)
    assert survey(path) == FileSurvey(len(content), lines, sha256(content).hexdigest())
    assert [number for number, _ in read_lines(path)] == list(range(1, lines + 1))
    assert b"".join(line for _, line in read_lines(path)) == content


def test_a_file_and_its_gzip_are_the_same_file_whatever_its_name(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(b"one\ntwo\n")
    packed.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert survey(plain) == survey(packed)
    assert list(read_lines(plain)) == list(read_lines(packed)) == [(1, b"one\n"), (2, b"two\n")]


def test_an_endless_line_is_cut_and_the_next_one_keeps_its_number(tmp_path: Path) -> None:
    path = tmp_path / "actions.ndjson"
    path.write_bytes(b"x" * 3 * 1024 * 1024 + b"\nnext\n")
    (first, cut), second = read_lines(path)
    assert first == 1
    assert LINE_BYTES_MAX < len(cut.strip()) <= LINE_BYTES_MAX + 2
    assert second == (2, b"next\n")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_gzip_is_refused_before_anything_is_sent(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "actions.gz"
    whole = bytearray(gzip.compress(bytes(range(256)) * 100))
    if damage == "cut":
        del whole[-20:]
    else:
        whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    with pytest.raises(UnreadableFile, match=r"actions\.gz"):
        survey(path)
