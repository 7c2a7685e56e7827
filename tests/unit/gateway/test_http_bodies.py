"""Bodies are read up to their bounds of size and time, and no further."""

import asyncio
from collections.abc import Sequence

import pytest

from contracts.problems import BODY_TOO_LARGE, BODY_TOO_SLOW
from gateway.http_answers import Message, Receive
from gateway.http_bodies import BodyReader, Disconnected
from gateway.problem import Problem
from gateway.settings import BODY_BYTES_MAX


async def read_body(receive: Receive) -> bytes | Problem:
    return await BodyReader(deadline_s=60).read(receive)


def client(pieces: Sequence[bytes], *, is_whole: bool = True) -> tuple[Receive, list[bytes]]:
    """A client that sends these pieces and then, unless `is_whole`, goes away; and what it still holds."""
    left = list(pieces)

    async def receive() -> Message:
        if not left:
            return {"type": "http.disconnect"}
        piece = left.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(left) or not is_whole}

    return receive, left


@pytest.mark.parametrize("pieces", [[b"ab"], [b"a", b"b"], [b"", b"ab", b""], [b"x" * BODY_BYTES_MAX]])
async def test_a_body_is_its_pieces(pieces: list[bytes]) -> None:
    receive, _ = client(pieces)
    assert await read_body(receive) == b"".join(pieces)


@pytest.mark.parametrize("pieces", [[b"x" * (BODY_BYTES_MAX + 1)], [b"x" * BODY_BYTES_MAX, b"x"], [b"x" * 9_000] * 9])
async def test_a_body_beyond_the_bound_is_refused(pieces: list[bytes]) -> None:
    receive, _ = client(pieces)
    problem = await read_body(receive)
    assert isinstance(problem, Problem)
    assert problem.kind is BODY_TOO_LARGE
    assert (b"connection", b"close") in problem.headers


async def test_what_follows_the_bound_is_not_read() -> None:
    receive, left = client([b"x" * 9_000] * 9)
    await read_body(receive)
    assert len(left) == 7


async def test_a_client_that_goes_away_gets_no_answer() -> None:
    receive, _ = client([b"{"], is_whole=False)
    with pytest.raises(Disconnected):
        await read_body(receive)


async def never() -> Message:
    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]


async def test_a_body_that_takes_too_long_is_refused_and_the_others_go_on() -> None:
    """One client stops after its first piece, one sends nothing at all, one is as old and ends in time."""
    bodies = BodyReader(deadline_s=0.2)
    in_time: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    pieces = iter([b"{"])

    async def stops() -> Message:
        piece = next(pieces, None)
        return await never() if piece is None else {"type": "http.request", "body": piece, "more_body": True}

    async def ends() -> Message:
        return await in_time

    running = asyncio.create_task(bodies.run())
    tasks = [asyncio.create_task(bodies.read(receive)) for receive in (stops, never, ends)]
    await asyncio.sleep(0)
    in_time.set_result({"type": "http.request", "body": b"{}"})
    stopped, silent, ended = await asyncio.wait_for(asyncio.gather(*tasks), 10)
    running.cancel()
    assert ended == b"{}"
    for late in (stopped, silent):
        assert isinstance(late, Problem)
        assert late.kind is BODY_TOO_SLOW
        assert (b"connection", b"close") in late.headers
    assert not any(task.cancelling() for task in tasks)
    assert not bodies._since


async def test_a_request_cancelled_by_somebody_else_stays_cancelled() -> None:
    bodies = BodyReader(deadline_s=60)
    task = asyncio.create_task(bodies.read(never))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not bodies._since
