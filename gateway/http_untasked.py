"""Carries out a short request without a task until it asks for one: a task with its context and its place among all
tasks costs as much as finding a board or judging an action.

Until then it may wait for futures alone; `asyncio.timeout` and whatever else asks for the task come after `in_task`."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, Final

_WANTS_TASK: Final = object()
Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Makes a task, and keeps it until it ends."""


class Untasked:
    """One request on its way."""

    __slots__ = ("_request", "_spawn")

    def __init__(self, request: Coroutine[Any, Any, None], *, spawn: Spawn) -> None:
        """`request` must not raise."""
        self._request = request
        self._spawn = spawn

    def go_on(self, _: object = None) -> None:
        """Run to the next wait, or to the end."""
        try:
            waited_for = self._request.send(None)
        except StopIteration:
            return
        if waited_for is _WANTS_TASK:
            self._spawn(_rest_of(self._request))
        elif waited_for is None:  # it only lets others have their turn
            asyncio.get_running_loop().call_soon(self.go_on)
        else:
            waited_for._asyncio_future_blocking = False  # noqa: SLF001  what a task does with what it waits for
            waited_for.add_done_callback(self.go_on)


@coroutine
def _ask_for_task() -> Generator[object, None, None]:
    yield _WANTS_TASK


async def in_task() -> None:
    """Go on in a task of the request's own."""
    if asyncio.current_task() is None:
        await _ask_for_task()


async def _rest_of(request: Coroutine[Any, Any, None]) -> None:
    await _resumed(request)


@coroutine
def _resumed(request: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    """`await` refuses a coroutine that has begun."""
    yield from request
