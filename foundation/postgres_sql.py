"""Reads SQL from the packages' .sql files: statements have names (`-- name: …` on a line of its own), code has none."""

import re
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: ([a-z0-9_]+)$", re.MULTILINE)


@cache
def statements(package: str, file: str) -> dict[str, str]:
    """The statements of `<package>/sql/<file>` by name. Raises ValueError when a name stands there twice."""
    text = resources.files(package).joinpath("sql", file).read_text(encoding="utf-8")
    return parse_statements(text, where=f"{package}/sql/{file}")


def parse_statements(text: str, *, where: str) -> dict[str, str]:
    """Split a file's text; what stands before the first name is its head. Raises ValueError."""
    _, *parts = _NAME.split(text)
    found: dict[str, str] = {}
    for name, sql in zip(parts[::2], parts[1::2], strict=True):
        if name in found:
            raise ValueError(f"{where} has two statements named {name}")
        found[name] = sql.strip()
    return found
