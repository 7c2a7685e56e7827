"""What reaches the connection, piece by piece, when an answer is written as uvicorn writes it."""

import asyncio

import pytest

from gateway.http_whole_answer import WholeAnswer

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Connection(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.pieces.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        ([HEAD, b"body"], [HEAD + b"body"]),
        ([HEAD, b""], [HEAD]),
        ([HEAD, b"bo", b"dy"], [HEAD + b"bo", b"dy"]),
        ([HEAD, HEAD, HEAD], [HEAD + HEAD, HEAD]),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"body"], [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"body"]),
        ([HEAD], []),
    ],
    ids=["whole", "no body", "in parts", "a body like a head", "after 100", "no body yet"],
)
def test_a_head_goes_with_the_first_part_of_the_body(written: list[bytes], pieces: list[bytes]) -> None:
    connection = Connection()
    answer = WholeAnswer(connection)
    for data in written:
        answer.write(data)
    assert connection.pieces == pieces


def test_a_head_whose_body_could_not_be_made_is_not_sent() -> None:
    connection = Connection()
    answer = WholeAnswer(connection)
    answer.write(HEAD)
    assert not answer.is_closing()
    answer.close()
    assert answer.is_closing()
    assert connection.pieces == []
