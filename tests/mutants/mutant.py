"""A planted mutant: one broken rule of the protocol, the exact text that it changes, and the tests that must notice.

The mutants are data, in `planted/*.toml`. A text that is not there exactly once is an error, never a skip:
tests/tidy/test_mutants.py plants all of them whenever the code changes."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

PLANTED: Final = Path(__file__).parent / "planted"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]+")


class CannotPlant(ValueError):
    """The mutant does not fit the code any more; the message says which text is there how often."""


class Edit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One text of one file, and what stands there instead."""

    file: str
    old: str
    new: str


class Mutant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One way to break the protocol."""

    name: str
    breaks: str
    """The rule, in words."""
    tests: tuple[str, ...]
    """Ids or files; the first one that fails ends the run."""
    edit: tuple[Edit, ...]
    hangs: bool = False
    """Whether a test that never ends is how it is noticed."""


class _Bed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mutant: tuple[Mutant, ...]


def all_mutants(folder: Path = PLANTED) -> list[Mutant]:
    """Every mutant, file by file. Raises CannotPlant for a name that is given twice, or is none."""
    mutants: list[Mutant] = []
    for file in sorted(folder.glob("*.toml")):
        mutants += msgspec.toml.decode(file.read_bytes(), type=_Bed).mutant
    names = [mutant.name for mutant in mutants]
    for name in names:
        if names.count(name) > 1 or not _NAME.fullmatch(name):
            raise CannotPlant(f"{name!r} is given twice, or is no name of lower-case words")
    return mutants


def changed_texts(edits: Sequence[Edit], read: Callable[[str], str]) -> dict[str, str]:
    """The new text of each file that the edits touch; `read` gives a file's text. Raises CannotPlant.

    Several edits of one file are made one after the other.
    """
    texts: dict[str, str] = {}
    for edit in edits:
        text = texts.get(edit.file) or read(edit.file)
        count = text.count(edit.old)
        if count != 1:
            raise CannotPlant(f"{edit.file}: this text is there {count} times, once is wanted:\n{edit.old}")
        if edit.old == edit.new:
            raise CannotPlant(f"{edit.file}: this changes nothing:\n{edit.old}")
        texts[edit.file] = text.replace(edit.old, edit.new)
    for file, text in texts.items():
        if file.endswith(".py"):
            _check_syntax(file, text)
    return texts


def _check_syntax(file: str, text: str) -> None:
    try:
        compile(text, file, "exec")
    except SyntaxError as error:
        raise CannotPlant(f"{file}:{error.lineno}: the changed text is no Python: {error.msg}") from error
