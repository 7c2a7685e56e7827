"""Work in a process of its own, so that it does not share an interpreter with what is measured: `python -m MODULE`, its
plan on stdin, its findings on stdout, both as JSON."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import uvloop

_P = TypeVar("_P")
_T = TypeVar("_T")


async def apart(module: str, plan: Any, *, found: type[_T]) -> _T:
    """Run a module whose main is `as_process`. Raises RuntimeError with what it said."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", module, stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        out, err = await process.communicate(msgspec.json.encode(plan))
    except asyncio.CancelledError:
        process.kill()
        raise
    if process.returncode:
        raise RuntimeError(f"{module} ended with {process.returncode}: {err.decode()[-2_000:]}")
    return msgspec.json.decode(out, type=found)


def as_process(plan: type[_P], run: Callable[[_P], Awaitable[object]]) -> None:
    """The other end: read the plan, carry it out, tell what was found."""
    given = msgspec.json.decode(sys.stdin.buffer.read(), type=plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(_of(run(given)))
    sys.stdout.write(msgspec.json.encode(found).decode())


async def _of(awaitable: Awaitable[object]) -> object:
    return await awaitable
