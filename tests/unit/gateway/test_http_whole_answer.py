"""What reaches the connection, piece by piece, when an answer is written as uvicorn writes it."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from gateway.http_answers import CLOSE, Headers, send_answer
from gateway.http_whole_answer import WholeAnswer, WholeSend

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


def cycle_of(connection: Connection, *, method: str = "GET", keep_alive: bool = True) -> Any:
    """The server's side of a request."""
    scope: Any = {"type": "http", "method": method}
    log = logging.getLogger("uvicorn.error")
    return RequestResponseCycle(
        scope=scope,
        transport=connection,
        flow=FlowControl(connection),
        logger=log,
        access_logger=log,
        access_log=False,
        default_headers=[(b"date", b"today")],
        message_event=asyncio.Event(),
        expect_100_continue=False,
        keep_alive=keep_alive,
        on_response=lambda: None,
    )


@pytest.mark.parametrize(
    ("method", "keep_alive", "headers", "sent"),
    [
        ("GET", True, (), b"date: today\r\ncontent-length: 2\r\n\r\nok"),
        ("HEAD", True, (), b"date: today\r\ncontent-length: 2\r\n\r\n"),
        ("GET", False, (), b"date: today\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"),
        ("GET", True, (CLOSE,), b"date: today\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
        ("GET", False, (CLOSE,), b"date: today\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"),
    ],
    ids=["whole", "HEAD", "the client ends it", "we end it", "both do"],
)
async def test_an_answer_is_one_write(method: str, keep_alive: bool, headers: Headers, sent: bytes) -> None:
    connection = Connection()
    cycle = cycle_of(connection, method=method, keep_alive=keep_alive)
    await send_answer(WholeSend(cycle), 200, headers=headers, body=b"ok")
    assert connection.pieces == [b"HTTP/1.1 200 OK\r\n" + sent]
    assert cycle.response_complete
    assert connection.is_closed == (b"close" in sent)


async def test_an_answer_that_is_not_whole_or_not_the_first_is_refused() -> None:
    connection = Connection()
    send = WholeSend(cycle_of(connection))
    with pytest.raises(RuntimeError):
        await send({"type": "http.response.body", "body": b"ok"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for wrong in (
        {"type": "http.response.start", "status": 500, "headers": []},
        {"type": "http.response.body", "body": b"o", "more_body": True},
    ):
        with pytest.raises(RuntimeError):
            await send(wrong)
    await send({"type": "http.response.body", "body": b"ok"})
    with pytest.raises(RuntimeError):
        await send_answer(send, 500, headers=(), body=b"")
    assert connection.pieces == [b"HTTP/1.1 200 OK\r\ndate: today\r\n\r\nok"]


async def test_a_header_cannot_hold_another_line() -> None:
    connection = Connection()
    with pytest.raises(RuntimeError):
        await send_answer(WholeSend(cycle_of(connection)), 200, headers=((b"etag", b"a\r\nx: y"),), body=b"")
    assert connection.pieces == []


async def test_nothing_is_written_to_who_has_gone() -> None:
    connection = Connection()
    cycle = cycle_of(connection)
    cycle.disconnected = True
    await send_answer(WholeSend(cycle), 200, headers=(), body=b"ok")
    assert connection.pieces == []
