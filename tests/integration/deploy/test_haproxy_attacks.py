"""Bytes that no client sends, through HAProxy to two real gateways: nothing is smuggled, mixed up, or stuck.

The smuggled request is a whole POST with a token of mallory's, so that one that got through would stand in Kafka's log.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from shardboard.embedded.ports import LOOPBACK
from tests.integration.deploy.conftest import SECRET
from tests.support.balanced_gateways import Balanced, balanced_gateways, start_haproxy
from tests.support.raw_http import KeptConnection, close, say
from tests.support.running_gateway import read_log, token_for
from tests.support.wait import wait_until

READ = b"GET /leaderboard?period=all_time HTTP/1.1\r\nHost: board.example\r\n\r\n"
MALLORY = "mallory"
SLOW_CLIENTS = 200
CONNECTIONS = 20


def action_of(user: str) -> bytes:
    """A whole request that records an action."""
    body = json.dumps({"user_id": user, "action": "commit"}).encode()
    return (
        b"POST /actions HTTP/1.1\r\nHost: board.example\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
    ) % (token_for(user, secret=SECRET).encode(), len(body), body)


def carrying(*headers: bytes, first: bytes = b"", path: bytes = b"/actions") -> bytes:
    """A POST with these headers whose body, if read in one of two ways, ends before mallory's request."""
    lines = b"".join(header + b"\r\n" for header in headers)
    return b"POST %s HTTP/1.1\r\nHost: board.example\r\n%s\r\n%s%s" % (path, lines, first, action_of(MALLORY))


LENGTH = b"Content-Length: %d" % len(action_of(MALLORY))
WHOLE = b"Content-Length: %d" % (len(action_of(MALLORY)) + 5)
SMUGGLED = {
    "a length and chunks": carrying(WHOLE, b"Transfer-Encoding: chunked", first=b"0\r\n\r\n"),
    "chunks and a length": carrying(b"Transfer-Encoding: chunked", b"Content-Length: 4", first=b"0\r\n\r\n"),
    "two lengths": carrying(b"Content-Length: 0", LENGTH),
    "two lengths in one": carrying(b"Content-Length: 0, %d" % len(action_of(MALLORY))),
    "a length with a sign": carrying(b"Content-Length: +0"),
    "a negative length": carrying(b"Content-Length: -1"),
    "a length with a space before the colon": carrying(b"Content-Length : 0", LENGTH),
    "an unknown coding": carrying(WHOLE, b"Transfer-Encoding: xchunked", first=b"0\r\n\r\n"),
    "chunked hidden by a tab": carrying(WHOLE, b"Transfer-Encoding:\tchunked", first=b"0\r\n\r\n"),
    "chunked twice": carrying(WHOLE, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", first=b"0\r\n\r\n"),
    "chunked hidden by a vertical tab": carrying(WHOLE, b"Transfer-Encoding: \x0bchunked", first=b"0\r\n\r\n"),
    "a folded header": carrying(WHOLE, b"Transfer-Encoding:\r\n chunked", first=b"0\r\n\r\n"),
    "a bare line feed in a header": carrying(WHOLE, b"X: y\nTransfer-Encoding: chunked", first=b"0\r\n\r\n"),
    "a bare carriage return in a header": carrying(WHOLE, b"X: y\rTransfer-Encoding: chunked", first=b"0\r\n\r\n"),
    "a zero byte in a header": carrying(WHOLE, b"X: \x00", b"Transfer-Encoding: chunked", first=b"0\r\n\r\n"),
    "a chunk's size that overflows": carrying(
        b"Transfer-Encoding: chunked", first=b"10000000000000000\r\nx\r\n0\r\n\r\n"
    ),
    "a chunk's size that is none": carrying(b"Transfer-Encoding: chunked", first=b"0x0\r\n\r\n"),
    "a line break in the path": carrying(WHOLE, path=b"/actions\r\n\r\n", first=b"     "),
    "an upgrade": carrying(b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", WHOLE, first=b"     "),
}


@pytest.fixture(scope="module")
async def guarded(edge_environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Balanced]:
    """As `edge`, for one public name."""
    variables = {"REQUEST_TIMEOUT": "2s", "IDLE_TIMEOUT": "1s", "PUBLIC_HOST": "board.example"}
    async with balanced_gateways(edge_environ, tmp_path_factory.mktemp("guarded"), haproxy=variables) as balanced:
        await wait_until(
            lambda: all(balanced.state("actions", gateway.name) == "UP" for gateway in balanced.gateways),
            timeout_s=20,
            what="both gateways to take actions",
        )
        yield balanced


async def is_well(edge: Balanced) -> None:
    """Both gateways answer at once, with nothing waiting in them."""
    connection = KeptConnection(edge.port)
    async with asyncio.timeout(5):
        for _ in range(4):
            assert (await connection.ask(READ)).status == 200
        assert (await connection.ask(action_of("honest"))).status == 201
    await connection.close()
    for gateway in edge.gateways:
        assert await gateway.metric("shardboard_actions_pending") == 0


@pytest.mark.parametrize("attack", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_nothing_is_smuggled(guarded: Balanced, edge_environ: dict[str, str], attack: bytes) -> None:
    """Whoever comes next on the same connection gets their own answer or none; mallory's action is in no log."""
    said = await say(guarded.port, attack + READ)
    answers = said.count(b"HTTP/1.1 ")
    assert answers <= 1 or said.startswith((b"HTTP/1.1 401", b"HTTP/1.1 415")), said
    assert b" 201 " not in said
    log = await read_log(edge_environ["SHARDBOARD_KAFKA"], edge_environ["SHARDBOARD_ACTIONS_TOPIC"])
    assert MALLORY not in {record.user_id for *_, record in log}
    await is_well(guarded)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: board.example\r\nHost: other.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: board.example@other.example\r\n\r\n", 421),
        (b"GET http://other.example/ HTTP/1.1\r\nHost: board.example\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \r\n\r\n", 421),
        (b"TRACE / HTTP/1.1\r\nHost: board.example\r\n\r\n", 405),
        (b"CONNECT board.example:443 HTTP/1.1\r\nHost: board.example:443\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nHost: board.example\r\nX: " + b"a" * 65_536 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: board.example\r\n" + b"X: y\r\n" * 1_000 + b"\r\n", 400),
        (b"GET /" + b"a" * 65_536 + b" HTTP/1.1\r\nHost: board.example\r\n\r\n", 400),
        (b"POST /actions HTTP/1.1\r\nHost: board.example\r\nContent-Length: 100000000\r\n\r\n" + b"a" * 65_536, 413),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n", 400),
    ],
)
async def test_what_nobody_sends_is_refused(guarded: Balanced, request_bytes: bytes, status: int) -> None:
    said = await say(guarded.port, request_bytes)
    assert said.split(b" ")[1:2] in ([b"%d" % status], []), said[:200]
    assert said.count(b"HTTP/1.1 ") <= 1
    await is_well(guarded)


async def test_slow_senders_hold_up_nobody(guarded: Balanced) -> None:
    """Half begin their headers, half their body, a byte now and then: none reaches a gateway, each is let go."""
    head = b"GET /leaderboard HTTP/1.1\r\nHost: board.example\r\nX: "
    body = b"POST /actions HTTP/1.1\r\nHost: board.example\r\nContent-Length: 500\r\n\r\n{"
    refused = [await gateway.metric("shardboard_actions_refused_total") for gateway in guarded.gateways]

    async def drip(begin: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(LOOPBACK, guarded.port)
        writer.write(begin)
        answer = asyncio.create_task(reader.read(), name="answer")
        try:
            while not (await asyncio.wait({answer}, timeout=0.5))[0]:
                writer.write(b"a")
            return answer.result()
        except ConnectionResetError:
            return b""
        finally:
            answer.cancel()
            await close(writer)

    slow = [asyncio.create_task(drip(begin), name="slow") for begin in (head, body) * (SLOW_CLIENTS // 2)]
    try:
        while not all(task.done() for task in slow):
            await is_well(guarded)
            await asyncio.wait(slow, timeout=0.2, return_when=asyncio.ALL_COMPLETED)
    finally:
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*slow)
    assert {answer.split(b" ")[1] for answer in answers if answer} == {b"408"}
    assert [await gateway.metric("shardboard_actions_refused_total") for gateway in guarded.gateways] == refused


async def test_one_address_holds_so_many_connections(guarded: Balanced, tmp_path: Path) -> None:
    """Beyond its share an address gets no further connection, and gets one again when it lets one go."""
    async with AsyncExitStack() as ending:
        variables = {"CONNECTIONS_PER_ADDRESS": str(CONNECTIONS)}
        narrow = await start_haproxy(guarded.gateways, tmp_path, variables=variables, ending=ending)
        held = [KeptConnection(narrow.port) for _ in range(CONNECTIONS)]
        for connection in held:
            assert (await connection.ask(READ)).status == 200
        assert await say(narrow.port, READ) == b""
        await held.pop().close()

        async def is_let_in() -> bool:
            return (await say(narrow.port, READ.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) != b""

        await wait_until(is_let_in, what="a connection to be free")
        for connection in held:
            await connection.close()
