"""One connection to a gateway: what it makes of answers, cuts and nonsense. The servers are raw: bytes are exact."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shardboard.replay.http_gateway import (
    ANSWER_BYTES_MAX,
    Endpoint,
    GatewayConnection,
    parse_endpoint,
    request_head,
    token_fault,
)
from shardboard.replay.plan import Answer, NoAnswer

CREATED = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"
BODY = b'{"user_id":"ada"}'


class RawServer:
    """Answers the n-th request with the n-th bytes; None closes the connection instead."""

    def __init__(self, *answers: bytes | None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.endpoint = Endpoint("127.0.0.1", 0, is_tls=False, path="/actions")
        self._answers = list(answers)

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.endpoint = parse_endpoint(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(BODY))
                answer = self._answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


Start = Callable[..., Awaitable[tuple[RawServer, GatewayConnection]]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[asyncio.Server] = []
    connections: list[GatewayConnection] = []

    async def starting(*answers: bytes | None) -> tuple[RawServer, GatewayConnection]:
        raw = RawServer(*answers)
        servers.append(await raw.start())
        connections.append(GatewayConnection(raw.endpoint))
        return raw, connections[-1]

    yield starting
    for connection in connections:
        connection.close()
    for server in servers:
        server.close()
        await server.wait_closed()


async def post(raw: RawServer, connection: GatewayConnection) -> Answer | NoAnswer:
    return await connection.post(request_head(raw.endpoint, "t"), BODY)


async def test_a_connection_is_kept_and_requests_are_whole(start: Start) -> None:
    raw, connection = await start(CREATED, CREATED)
    assert await post(raw, connection) == await post(raw, connection) == Answer(201, b"{}")
    assert raw.connections == 1
    head, _, body = raw.requests[0].partition(b"\r\n\r\n")
    assert body == BODY
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /actions HTTP/1.1"
    assert f"Host: {raw.endpoint.authority}".encode() in lines
    assert b"Authorization: Bearer t" in lines
    assert b"Content-Type: application/json" in lines
    assert b"Content-Length: %d" % len(BODY) in lines


async def test_a_cut_is_no_answer_and_the_next_request_opens_anew(start: Start) -> None:
    raw, connection = await start(None, CREATED)
    assert isinstance(await post(raw, connection), NoAnswer)
    assert await post(raw, connection) == Answer(201, b"{}")
    assert raw.connections == 2


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 999999\r\n\r\n" + b"x" * (ANSWER_BYTES_MAX + 1),
    ],
)
async def test_nonsense_is_no_answer(start: Start, nonsense: bytes) -> None:
    raw, connection = await start(nonsense, CREATED)
    assert isinstance(await post(raw, connection), NoAnswer)
    assert await post(raw, connection) == Answer(201, b"{}")


async def test_a_gateway_that_closes_after_its_answer_is_connected_to_anew(start: Start) -> None:
    closing = CREATED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    raw, connection = await start(closing, CREATED)
    assert await post(raw, connection) == await post(raw, connection) == Answer(201, b"{}")
    assert raw.connections == 2


async def test_chunks_and_interim_answers_are_put_together(start: Start) -> None:
    chunked = b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    raw, connection = await start(b"HTTP/1.1 102 Processing\r\n\r\n" + chunked, CREATED)
    assert await post(raw, connection) == Answer(503, b"abcde")
    assert await post(raw, connection) == Answer(201, b"{}")


@pytest.mark.parametrize(("header", "seconds"), [(b"7", 7.0), (b"9999", 60.0), (b"soon", None), (b"-1", None)])
async def test_retry_after_is_read_within_bounds(start: Start, header: bytes, seconds: float | None) -> None:
    answer = b"HTTP/1.1 503 No\r\nRetry-After: %b\r\nContent-Length: 0\r\n\r\n" % header
    raw, connection = await start(answer, CREATED)
    assert await post(raw, connection) == Answer(503, b"", seconds)
    assert await post(raw, connection) == Answer(201, b"{}")


async def test_nobody_listening_is_no_answer() -> None:
    raw = RawServer()
    server = await raw.start()
    server.close()
    await server.wait_closed()
    answer = await post(raw, GatewayConnection(raw.endpoint))
    assert isinstance(answer, NoAnswer)
    assert raw.endpoint.authority in answer.reason


@pytest.mark.parametrize(
    ("url", "sent_to"),
    [
        ("http://localhost:8080", "http://localhost:8080/actions"),
        ("http://localhost:8080/", "http://localhost:8080/actions"),
        ("https://board.example/api/", "https://board.example/api/actions"),
        ("http://[::1]:8080", "http://[::1]:8080/actions"),
        ("http://board.example:80", "http://board.example/actions"),
    ],
)
def test_addresses_are_read(url: str, sent_to: str) -> None:
    assert parse_endpoint(url).url == sent_to


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://x", "http://", "http://u:p@x", "http://x?y=1", "http://x:99999"]
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_endpoint(url)


@pytest.mark.parametrize("token", ["a b", "a\r\nX-Evil: 1", "é", "x" * 9000])
def test_what_cannot_stand_in_a_header_is_no_token(token: str) -> None:
    assert token_fault(token) is not None
    assert token_fault("eyJ.eyJ.c2ln-_") is None
