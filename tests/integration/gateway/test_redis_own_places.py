"""A stream that names a user is told of the user's place, on real shards, as it changes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.integration.gateway.test_http_reads import ground, reading
from tests.integration.gateway.test_http_stream import Stream, stream
from tests.support.ranked_boards import Ground
from tests.support.running_gateway import RunningGateway

__all__ = ["ground", "reading"]


@pytest.fixture
async def of_dan(reading: RunningGateway) -> AsyncIterator[Stream]:
    async with stream(reading, "?period=all_time&user=dan") as opened:
        yield opened


async def next_named(opened: Stream, *names: str) -> list[dict[str, Any]]:
    """The next events of these names, in that order, whatever else comes."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while len(found) < len(names):
            event = await opened.next_event()
            assert event is not None
            if event.event in ("you", "overtaken"):
                assert event.event == names[len(found)]
                found.append(event.data)
    return found


async def test_the_own_place_is_told_as_it_changes(of_dan: Stream, ground: Ground) -> None:
    (first,) = await next_named(of_dan, "you")
    assert (first["rank"], first["score"], first["total"], first["to_next"]) == (4, 10, 5, 30)
    await ground.put({"a/b, c": (11, 7)})
    overtaken, second = await next_named(of_dan, "overtaken", "you")
    assert (overtaken["previous_rank"], overtaken["rank"]) == (4, 5)
    assert (second["rank"], second["to_next"]) == (5, 1)
    await ground.put({"dan": (60, 8)})
    (third,) = await next_named(of_dan, "you")
    assert (third["rank"], third["score"], third["to_next"]) == (1, 60, None)


async def test_streams_of_many_users_share_a_board_and_bad_ones_are_refused(reading: RunningGateway) -> None:
    async with stream(reading, "?user=nobody") as of_nobody, stream(reading, "?user=eve") as of_eve:
        for opened in (of_nobody, of_eve):
            (told,) = await next_named(opened, "you")
            assert (told["rank"], told["score"]) == (None, None)
    for query in ("?user=", "?user=a&user=b", "?user=" + "a" * 129):
        answer = await reading.get(f"/leaderboard/stream{query}")
        assert (answer.status, answer.code) == (422, "invalid-field")
