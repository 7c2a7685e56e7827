"""Rules of the layout: which files may touch the world, and which way imports point. Pure functions over modules."""

import ast
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from tests.tidy.sources import PACKAGES, SERVICES, Import, Module, imports_of

WORLD_PREFIXES: Final = ("kafka_", "redis_", "postgres_", "http_", "routes_")
WORLD_NAMES: Final = frozenset({"app.py", "service.py", "settings.py", "cli.py", "__main__.py"})
WORLD_FOLDERS: Final = frozenset({"shardboard", "foundation", "bench"})
WORLD_FILES: Final = frozenset({"contracts/clock.py"})
NAMES_TOO_VAGUE: Final = frozenset({"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"})
SERVICE_FILES: Final = ("settings.py", "service.py", "__main__.py")

PURE_LIBRARIES: Final = frozenset({"msgspec", "numpy", "uhashring"})
"""They compute and nothing else. Any other library belongs into a file whose name says that it touches the world."""
IMPURE_STANDARD: Final = frozenset(
    {
        *("asyncio", "concurrent", "contextvars", "multiprocessing", "queue", "sched", "selectors", "threading"),
        *("http", "select", "signal", "smtplib", "socket", "socketserver", "ssl", "subprocess", "urllib.request"),
        *("fcntl", "getpass", "glob", "io", "mmap", "os", "platform", "pwd", "resource", "shutil", "sys", "tempfile"),
        *("logging", "random", "secrets", "time", "warnings"),
    }
)
IMPURE_NAMES: Final = frozenset({"pathlib.Path", "uuid.uuid1", "uuid.uuid4", "importlib.resources"})
CLOCK_CALLS: Final = frozenset({"now", "utcnow", "today"})
WORLD_CALLS: Final = frozenset({"open", "input", "print", "breakpoint", "exec", "eval"})
PURE_IN_FOUNDATION: Final = frozenset({"foundation.health", "foundation.env", "foundation.settings"})
"""Values and rules without effects, which pure modules may take."""

MAY_IMPORT: Final = {
    "contracts": {"contracts"},
    "foundation": {"contracts", "foundation"},
    "partitioning": {"contracts", "foundation", "partitioning"},
    **{service: {"contracts", "foundation", "partitioning", service} for service in SERVICES},
    "bench": {*PACKAGES},
    "shardboard": {*PACKAGES} - {"bench"},
}


def may_touch_the_world(path: PurePosixPath) -> bool:
    """Whether a file's name says that it may do more than compute."""
    return (
        path.parts[0] in WORLD_FOLDERS
        or str(path) in WORLD_FILES
        or path.name in WORLD_NAMES
        or path.name.startswith(WORLD_PREFIXES)
    )


def impurities(module: Module) -> Iterator[str]:
    """What a pure module must not do."""
    for found in imports_of(module):
        for name in found.names:
            reason = _why_impure(module, name)
            if reason is not None:
                yield module.at(found.node, f"a pure module imports {name}: {reason}")
                break
    for node in ast.walk(module.tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield module.at(node, "a pure module waits (async, await): the module that acts does")
        elif isinstance(node, ast.Call):
            yield from _impure_call(module, node)


def imports_against_the_arrow(module: Module) -> Iterator[str]:
    """contracts ← foundation ← partitioning ← services; services never import one another; nothing imports tests."""
    allowed = MAY_IMPORT[module.package]
    for found in imports_of(module):
        for package in _project_packages(found):
            if package not in allowed:
                yield module.at(found.node, f"{module.package} must not import {package}")
        if module.package in SERVICES:
            for name in found.names:
                if name.startswith("partitioning.") and _is_world_module(name):
                    yield module.at(found.node, f"a service takes only pure modules of partitioning, not {name}")
                    break


def vague_name(path: PurePosixPath) -> str | None:
    """Complain about a name that says nothing of what is inside."""
    words = {word for part in path.with_suffix("").parts for word in part.lower().replace("-", "_").split("_")}
    vague = words & NAMES_TOO_VAGUE
    return f"{path}:1: the name {sorted(vague)[0]!r} says nothing about what is inside" if vague else None


def missing_service_files(service: str, paths: frozenset[str]) -> Iterator[str]:
    """A service folder has its settings, its loop and its wiring, as soon as it has any code."""
    code = {path for path in paths if path.startswith(f"{service}/") and path.endswith(".py")}
    if code <= {f"{service}/__init__.py"}:
        return
    for name in SERVICE_FILES:
        if f"{service}/{name}" not in code:
            yield f"{service}/{name}:1: every service folder has {', '.join(SERVICE_FILES)}"


def _why_impure(module: Module, name: str) -> str | None:
    root = name.partition(".")[0]
    if root in PACKAGES:
        is_fine = (
            name in PACKAGES
            or name.startswith(f"{module.package}.settings")
            or any(name == pure or name.startswith(f"{pure}.") for pure in PURE_IN_FOUNDATION)
        )
        return None if is_fine or not _is_world_module(name) else "that module may touch the world"
    if root in IMPURE_STANDARD or name in IMPURE_STANDARD or name in IMPURE_NAMES:
        return "it reads or changes the world"
    if not _is_standard(root) and root not in PURE_LIBRARIES:
        return f"of libraries only {', '.join(sorted(PURE_LIBRARIES))} are pure"
    return None


def _impure_call(module: Module, node: ast.Call) -> Iterator[str]:
    called = node.func
    if isinstance(called, ast.Name) and called.id in WORLD_CALLS:
        yield module.at(node, f"a pure module calls {called.id}()")
    elif (
        isinstance(called, ast.Attribute)
        and called.attr in CLOCK_CALLS
        and _last_name(called.value)
        in (
            "datetime",
            "date",
        )
    ):
        yield module.at(node, f"a pure module reads the clock ({called.attr}()): it gets `now` as a value")


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_standard(root: str) -> bool:
    return root in sys.stdlib_module_names


def _is_world_module(name: str) -> bool:
    """Whether `name`, a dotted name that may end in a name inside the module, is one that may touch the world."""
    parts = name.split(".")
    return any(may_touch_the_world(PurePosixPath(*parts[:end]).with_suffix(".py")) for end in range(2, len(parts) + 1))


def _project_packages(found: Import) -> set[str]:
    return {name.partition(".")[0] for name in found.names} & {*PACKAGES, "tests"}
