"""Style holds where a machine can judge it: sizes, heads, names of parameters, words."""

from pathlib import PurePosixPath

import pytest

from tests.tidy.sources import ROOT, TextFile, assert_none, code_modules, modules, parse, text_files
from tests.tidy.style_rules import broken_links, head_faults, oversized_functions, too_long, words_not_to_say


def test_files_are_short() -> None:
    assert_none([fault for file in text_files() for fault in too_long(file)])


def test_functions_are_short_and_called_by_keyword() -> None:
    assert len(modules()) > len(code_modules()) > 30
    assert_none([fault for module in modules() for fault in oversized_functions(module)])


def test_files_say_what_they_own() -> None:
    assert_none([fault for file in text_files() for fault in head_faults(file)])


def test_nothing_is_said_that_must_not_be() -> None:
    assert_none([fault for file in text_files() for fault in words_not_to_say(file)])


def test_links_between_pages_lead_somewhere() -> None:
    pages = [file for file in text_files() if file.path.suffix == ".md"]
    assert len(pages) > 4
    assert_none([fault for page in pages for fault in broken_links(page, lambda path: (ROOT / path).exists())])


def test_a_broken_link_is_seen() -> None:
    page = _file("docs/architecture.md", "[a](../gateway/app.py) [b](gone.md#part) [c](https://example.org/x)")
    told = list(broken_links(page, lambda path: path.name == "app.py"))
    assert told == ["docs/architecture.md:1: the link gone.md leads nowhere"]


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    assert "## [Unreleased]" in lines


@pytest.mark.parametrize(
    "text",
    [
        "def f(a, b, c): ...",
        "class C:\n    def f(self, a, b, c): ...",
        "def f(a, b, /, c): ...",
        "def f(*, a, b, c, d, e, f, g, h): ...",
        "def f():\n" + "    x = 1\n" * 70,
        "def f():\n    def g(a, b, c): ...",
        "async def f(a, b, c): ...",
    ],
)
def test_an_oversized_function_is_seen(text: str) -> None:
    assert list(oversized_functions(parse("gateway/board.py", text)))


@pytest.mark.parametrize(
    "text",
    [
        "def f(a, b, *, c, d, e, f, g): ...",
        "class C:\n    def f(self, a, b, *, c): ...",
        "def f():\n" + "    x = 1\n" * 69,
        "async def app(scope, receive, send): ...",
        "def test_f(a, b, c): ...",
        "@app.command()\ndef up(a, b, c, d, e, f, g, h, i): ...",
    ],
)
def test_a_fitting_function_is_allowed(text: str) -> None:
    assert list(oversized_functions(parse("gateway/board.py", text))) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("gateway/board.py", "x = 1"),
        ("gateway/board.py", '"""1\n2\n3\n4\n5\n6"""'),
        ("shard_worker/apply.lua", "local x = 1"),
        ("gateway/static/board.js", "let x = 1;"),
    ],
)
def test_a_file_that_does_not_say_what_it_owns_is_seen(path: str, text: str) -> None:
    assert list(head_faults(_file(path, text)))


def test_a_long_file_is_seen() -> None:
    assert list(too_long(_file("gateway/static/board.js", "x\n" * 401)))
    assert list(too_long(_file("gateway/static/board.js", "x\n" * 400))) == []


@pytest.mark.parametrize(
    "line",
    [
        "# TODO later",
        "FIXME: wrong",
        "see https://pypi.org/simple",
        str(PurePosixPath("/", "work", "main")),
        str(PurePosixPath("..", "shared", "data")),
    ],
)
def test_a_word_that_must_not_be_said_is_seen(line: str) -> None:
    assert list(words_not_to_say(_file("README.md", f"fine\n{line}\n"))) != []


def _file(path: str, text: str) -> TextFile:
    return TextFile(parse(path, "").path, text)
