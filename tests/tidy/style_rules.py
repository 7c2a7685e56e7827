"""Rules of style: how long files and functions may be, what they begin with, what must not be said in them."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.tidy.sources import Module, TextFile

FILE_LINES_MAX: Final = 400
FUNCTION_LINES_MAX: Final = 70
PARAMETERS_MAX: Final = 7
POSITIONAL_MAX: Final = 2
DOCSTRING_LINES_MAX: Final = 5
SIZED_SUFFIXES: Final = frozenset({".py", ".lua", ".js", ".css", ".html", ".sql", ".sh"})
COMMENT_STARTS: Final = {
    ".lua": ("--",),
    ".js": ("//", "/*"),
    ".css": ("/*",),
    ".sql": ("--",),
    ".sh": ("#",),
}
ASGI: Final = ["scope", "receive", "send"]
LEAVING: Final = ("__exit__", "__aexit__")

INDEX_HOSTS: Final = (
    "pypi.org",
    "pythonhosted.org",
    "repo1.maven.org",
    "repo.maven.apache.org",
    "registry.npmjs.org",
    "proxy.golang.org",
    "crates.io",
)
LINK: Final = re.compile(r"\]\(([^)#\s]+)")
UNFINISHED: Final = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MAY_SPELL_THE_WORDS: Final = frozenset({"tests/tidy/style_rules.py", "tests/tidy/test_style.py"})
PLACES_OUTSIDE: Final = re.compile(r"[.][.]/shared\b|[/]work/")
MAY_NAME_PLACES: Final = frozenset({".ci/run"})

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def too_long(file: TextFile) -> Iterator[str]:
    """A file stops at 400 lines."""
    lines = len(file.text.splitlines())
    if file.path.suffix in SIZED_SUFFIXES and lines > FILE_LINES_MAX:
        yield f"{file.path}:{FILE_LINES_MAX + 1}: {lines} lines, a file stops at {FILE_LINES_MAX}"


def oversized_functions(module: Module) -> Iterator[str]:
    """A function stops at 70 lines and 7 parameters, keyword-only from the third on."""
    for node in ast.walk(module.tree):
        if not isinstance(node, FunctionNode):
            continue
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield module.at(node, f"{node.name} has {lines} lines, a function stops at {FUNCTION_LINES_MAX}")
        yield from _parameter_faults(module, node)


def head_faults(file: TextFile) -> Iterator[str]:
    """A file says in one to five lines what it owns and who calls it."""
    if not file.text.strip():
        return
    if file.path.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(file.text))
        lines = len((docstring or "").splitlines())
        if not 1 <= lines <= DOCSTRING_LINES_MAX:
            yield f"{file.path}:1: a file opens with a docstring of 1 to {DOCSTRING_LINES_MAX} lines, not {lines}"
        return
    starts = COMMENT_STARTS.get(file.path.suffix)
    first = next((line for line in file.text.splitlines() if not line.startswith("#!")), "")
    if starts is not None and not first.strip().startswith(starts):
        yield f"{file.path}:1: a file opens with a comment that says what it owns"


def words_not_to_say(file: TextFile) -> Iterator[str]:
    """No address of a package index, no place outside the project, nothing left unfinished."""
    for number, line in enumerate(file.text.splitlines(), start=1):
        if str(file.path) not in MAY_NAME_PLACES and PLACES_OUTSIDE.search(line):
            yield f"{file.path}:{number}: names a place outside the project"
        if str(file.path) in MAY_SPELL_THE_WORDS:
            continue
        if any(host in line for host in INDEX_HOSTS):
            yield f"{file.path}:{number}: names a package index"
        if UNFINISHED.search(line):
            yield f"{file.path}:{number}: left unfinished; finish it or say what holds today"


def broken_links(file: TextFile, exists: Callable[[PurePosixPath], bool]) -> Iterator[str]:
    """A page's links within the project lead somewhere; `exists` is asked for paths relative to the page's folder."""
    for number, line in enumerate(file.text.splitlines(), start=1):
        for target in LINK.findall(line):
            if "://" not in target and not exists(file.path.parent / target):
                yield f"{file.path}:{number}: the link {target} leads nowhere"


def _parameter_faults(module: Module, node: FunctionNode) -> Iterator[str]:
    given = node.args
    positional = [argument.arg for argument in (*given.posonlyargs, *given.args)]
    if positional and positional[0] in ("self", "cls"):
        positional = positional[1:]
    decorators = {_decorator_name(decorator) for decorator in node.decorator_list}
    is_command = bool(decorators & {"command", "callback"})  # its parameters are the command's options
    is_injected = node.name.startswith("test_") or "fixture" in decorators  # pytest passes them by name
    count = len(positional) + len(given.kwonlyargs)
    if count > PARAMETERS_MAX and not is_command:
        yield module.at(node, f"{node.name} has {count} parameters, at most {PARAMETERS_MAX}")
    is_foreign = positional == ASGI or node.name in LEAVING  # the order is not ours
    if len(positional) > POSITIONAL_MAX and not (is_command or is_injected or is_foreign):
        yield module.at(node, f"{node.name}: keyword-only from the third parameter on ({positional[POSITIONAL_MAX]})")


def _decorator_name(node: ast.expr) -> str:
    target = node.func if isinstance(node, ast.Call) else node
    return target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
