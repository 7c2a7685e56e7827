"""Bodies are read up to their bound and no further."""

from collections.abc import Sequence

import pytest

from contracts.problems import BODY_TOO_LARGE
from gateway.http_answers import Disconnected, Message, Receive, read_body
from gateway.problem import Problem
from gateway.settings import BODY_BYTES_MAX


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
