"""A request without a task: where it runs, what it may wait for, and how it gets a task."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from gateway.http_untasked import Untasked, in_task


class Tasks:
    """Makes tasks, and keeps them."""

    def __init__(self) -> None:
        self.made: list[asyncio.Task[None]] = []
        self.is_one_made = asyncio.Event()

    def spawn(self, request: Coroutine[Any, Any, None]) -> None:
        self.made.append(asyncio.get_running_loop().create_task(request))
        self.is_one_made.set()

    def begin(self, request: Coroutine[Any, Any, None]) -> None:
        """From a callback, as the server does."""
        asyncio.get_running_loop().call_soon(Untasked(request, spawn=self.spawn).go_on)


async def test_what_waits_for_nothing_ends_in_one_go() -> None:
    seen: list[object] = []

    async def request() -> None:
        seen.append(asyncio.current_task())

    tasks = Tasks()
    tasks.begin(request())
    await asyncio.sleep(0)
    assert seen == [None]
    assert tasks.made == []


@pytest.mark.parametrize("outcome", [5, KeyError("lost")])
async def test_a_future_is_waited_for_and_may_fail(outcome: int | KeyError) -> None:
    waited_for: asyncio.Future[int] = asyncio.Future()
    ended: asyncio.Future[object] = asyncio.Future()

    async def request() -> None:
        try:
            ended.set_result(await waited_for)
        except KeyError as error:
            ended.set_result(error)

    tasks = Tasks()
    tasks.begin(request())
    await asyncio.sleep(0)
    assert not ended.done()
    if isinstance(outcome, KeyError):
        waited_for.set_exception(outcome)
    else:
        waited_for.set_result(outcome)
    assert await ended == outcome
    assert tasks.made == []


async def test_others_have_their_turn() -> None:
    order: list[str] = []
    ended = asyncio.Event()

    async def request() -> None:
        order.append("begun")
        await asyncio.sleep(0)
        order.append("ended")
        ended.set()

    Tasks().begin(request())
    asyncio.get_running_loop().call_soon(order.append, "other")
    await ended.wait()
    assert order == ["begun", "other", "ended"]


async def test_a_task_is_there_once_it_is_asked_for() -> None:
    waited_for: asyncio.Future[int] = asyncio.Future()
    seen: list[object] = []

    async def inner() -> None:
        await in_task()
        seen.append(asyncio.current_task())
        async with asyncio.timeout(30):
            seen.append(await waited_for)
        await in_task()
        seen.append(asyncio.current_task())

    async def request() -> None:
        await asyncio.sleep(0)
        await inner()

    tasks = Tasks()
    tasks.begin(request())
    await tasks.is_one_made.wait()
    await asyncio.sleep(0)
    waited_for.set_result(7)
    (task,) = tasks.made
    await task
    assert seen == [task, 7, task]


async def test_the_task_can_be_cancelled() -> None:
    cleaned: list[str] = []

    async def request() -> None:
        await in_task()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    tasks = Tasks()
    tasks.begin(request())
    await tasks.is_one_made.wait()
    await asyncio.sleep(0)
    tasks.made[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks.made[0]
    assert cleaned == ["up"]
