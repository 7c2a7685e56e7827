"""Waiting ends with the condition, and with its name when the condition never comes."""

import asyncio

import pytest

from tests.support.wait import wait_until, wait_until_sync


async def test_waiting_ends_when_another_task_makes_it_true() -> None:
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, done.set)
    await wait_until(done.is_set, what="the event")
    assert done.is_set()


async def test_an_async_condition_is_awaited() -> None:
    answers = [False, False, True]

    async def condition() -> bool:
        return answers.pop(0)

    await wait_until(condition)
    assert answers == []


async def test_what_never_comes_is_named() -> None:
    with pytest.raises(AssertionError, match=r"waited 0\.05 s for Godot"):
        await wait_until(lambda: False, timeout_s=0.05, what="Godot")


def test_without_a_loop_it_is_the_same() -> None:
    answers = [False, False, True]
    wait_until_sync(lambda: answers.pop(0))
    assert answers == []
    with pytest.raises(AssertionError, match=r"waited 0\.05 s for Godot"):
        wait_until_sync(lambda: False, timeout_s=0.05, what="Godot")
