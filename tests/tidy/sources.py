"""The project's files as the rules see them: their paths, their text and, for Python, the syntax tree."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("archiver", "audit", "gateway", "merger", "shard_worker")
PACKAGES: Final = (*SERVICES, "bench", "contracts", "foundation", "partitioning", "shardboard")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file of the project, its path relative to the root."""

    path: PurePosixPath
    text: str


@dataclass(frozen=True, slots=True)
class Module:
    """A Python file with its syntax tree."""

    path: PurePosixPath
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The top-level folder, such as `gateway` or `tests`."""
        return self.path.parts[0]

    def at(self, node: ast.stmt | ast.expr | ast.arg, rule: str) -> str:
        """A violation as it is told: file:line and the rule."""
        return f"{self.path}:{node.lineno}: {rule}"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module, absolute. `from a import b` names `a.b` too, for b may be a module."""

    node: ast.stmt
    names: tuple[str, ...]


def parse(path: str, text: str) -> Module:
    """A module from its text; the rules' own tests use it too."""
    return Module(PurePosixPath(path), text, ast.parse(text))


@cache
def text_files() -> tuple[TextFile, ...]:
    """Every text file that is, or would be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout.decode()
    found = []
    for name in sorted(set(listing.split("\0")) - {""}):
        try:
            found.append(TextFile(PurePosixPath(name), (ROOT / name).read_text(encoding="utf-8")))
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue  # an image, a golden file of bytes, or a file that is being removed
    return tuple(found)


@cache
def modules() -> tuple[Module, ...]:
    """Every Python file of the project."""
    return tuple(parse(str(file.path), file.text) for file in text_files() if file.path.suffix == ".py")


def code_modules() -> tuple[Module, ...]:
    """Every Python file of the product: all but the tests."""
    return tuple(module for module in modules() if module.package in PACKAGES)


def imports_of(module: Module) -> Iterator[Import]:
    """All imports of a module, those inside functions too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield Import(node, tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(module, node)
            yield Import(node, (base, *(f"{base}.{alias.name}" for alias in node.names)))


def assert_none(faults: list[str]) -> None:
    """All faults at once, one a line."""
    assert not faults, "\n" + "\n".join(faults)


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parents = module.path.parts[: -node.level]
    return ".".join([*parents, *([node.module] if node.module else [])])
