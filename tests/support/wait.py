"""Waiting for a condition instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

_ASK_AGAIN_S = 0.02


async def wait_until(
    condition: Callable[[], object | Awaitable[object]], *, timeout_s: float = 10, what: str = "the condition"
) -> None:
    """Return once the condition, plain or async, is truthy. Raises AssertionError that names `what` it waited for."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        await asyncio.sleep(_ASK_AGAIN_S)


def wait_until_sync(condition: Callable[[], object], *, timeout_s: float = 10, what: str = "the condition") -> None:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what}"
        time.sleep(_ASK_AGAIN_S)
