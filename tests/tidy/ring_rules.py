"""Rules about the tests themselves: they wait instead of sleeping, skip in one place only, and cover every module."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from tests.tidy.sources import Module

MAY_SLEEP: Final = frozenset({"tests/support/wait.py"})
"""`wait_until` looks again and again; every other test waits through it."""
MAY_SKIP: Final = frozenset({"tests/support/services.py"})
"""Its `missing` is the one place that decides what a missing program means: a skip here, a failure in CI."""
SKIPS: Final = frozenset({"skip", "skipif", "skipIf", "skipTest", "skipUnless", "importorskip", "xfail"})
CLOCKS: Final = ("time", "asyncio", "anyio")
SKIPPERS: Final = ("pytest", "mark", "unittest")
RINGS: Final = ("unit", "contract", "integration", "acceptance")


def sleeps(module: Module) -> Iterator[str]:
    """A sleeping test is slow when it is right and wrong when the machine is slow. `asyncio.sleep(0)` only yields."""
    if str(module.path) in MAY_SLEEP:
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        if _is_sleep(node.func) and not _is_zero(node):
            yield module.at(node, "a test waits for a condition (wait_until), it does not sleep")


def skips(module: Module) -> Iterator[str]:
    """A skip hides a missing broker. `pytest.skip.Exception` only names what a skip raises."""
    if str(module.path) in MAY_SKIP:
        return
    attributes = [node for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)]
    only_named = {id(node.value) for node in attributes if node.attr == "Exception"}
    for node in attributes:
        if node.attr in SKIPS and _name(node.value) in SKIPPERS and id(node) not in only_named:
            yield module.at(node, f"only {', '.join(sorted(MAY_SKIP))} may skip a test")


def untested(
    code: tuple[PurePosixPath, ...], tests: tuple[PurePosixPath, ...], *, excused: Mapping[str, str]
) -> Iterator[str]:
    """Modules without a test file of their name. `gateway/sse.py` wants test_sse.py in a folder of the gateway's tests,
    or test_gateway_sse.py anywhere."""
    named = {(test.stem, folder) for test in tests if test.parts[1] in RINGS for folder in (*_folders(test), "")}
    for path in code:
        if path.name in ("__init__.py", "__main__.py") or str(path) in excused:
            continue
        wanted = {(f"test_{path.stem}", folder) for folder in path.parts[:-1]}
        wanted |= {(f"test_{folder}_{path.stem}", "") for folder in path.parts[:-1]}
        if not wanted & named:
            yield f"{path}:1: no test file of its name (test_{path.stem}.py in a folder {path.parts[0]}/ of a ring)"


def _folders(test: PurePosixPath) -> tuple[str, ...]:
    """What a test file is about: its folders inside the ring; the ring `contract` is about `contracts`."""
    return ("contracts",) if test.parts[1] == "contract" else test.parts[2:-1]


def _is_sleep(called: ast.expr) -> bool:
    if isinstance(called, ast.Attribute):
        return called.attr == "wait_for_timeout" or (called.attr == "sleep" and _name(called.value) in CLOCKS)
    return isinstance(called, ast.Name) and called.id == "sleep"


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_zero(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
