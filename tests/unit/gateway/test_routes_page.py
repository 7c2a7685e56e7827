"""The page's own files are read, and nothing else."""

from pathlib import Path

from gateway.routes_page import FILE_BYTES_MAX, SECURITY_HEADERS, read_files


def test_the_page_is_there_with_everything_it_names() -> None:
    files = read_files()
    page = files["index.html"].data.decode()
    assert files["index.html"].media_type.startswith("text/html")
    named = {part.split('"')[0] for part in page.split('"/static/')[1:]}
    assert named
    assert named <= set(files)


def test_other_kinds_and_large_files_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "b.py").write_text("1")
    (tmp_path / "c.css").write_bytes(b" " * (FILE_BYTES_MAX + 1))
    assert set(read_files(tmp_path)) == {"a.js"}


def test_tags_follow_the_content(tmp_path: Path) -> None:
    for name, text in (("a.js", "1"), ("b.js", "1"), ("c.js", "2")):
        (tmp_path / name).write_text(text)
    files = read_files(tmp_path)
    assert files["a.js"].etag == files["b.js"].etag != files["c.js"].etag


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert "unsafe" not in policy
