"""Bytes on a socket that no client library would send: what may be read in two ways is read in none, nobody is kept
waiting by who dawdles, and no answer is that of another request."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.http_protocol import HEADERS_BYTES_MAX
from shardboard.embedded.ports import LOOPBACK
from tests.support.raw_http import say
from tests.support.running_gateway import RunningGateway, running_gateway, token_for
from tests.support.wait import wait_until

TOKEN = token_for("alice")
BODY = b'{"user_id":"alice","action":"commit"}'
SMUGGLED = (
    f"POST /actions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    f"Content-Length: {len(BODY)}\r\n\r\n"
).encode() + BODY
"""A whole good request. Where it is accepted, it was taken for one of its own."""
ACCEPTED = "shardboard_actions_accepted_total"


@pytest.fixture
async def impatient(gateway_env: dict[str, str]) -> AsyncIterator[RunningGateway]:
    """A gateway that waits for headers half a second."""
    async with running_gateway({**gateway_env, "SHARDBOARD_HEADERS_DEADLINE_MS": "500"}) as gateway:
        await wait_until(gateway.is_ready, timeout_s=20, what="the gateway to be ready")
        yield gateway


def port_of(gateway: RunningGateway) -> int:
    return int(gateway.url.rpartition(":")[2])


def head(*lines: str, request: str = "POST /actions HTTP/1.1") -> bytes:
    fixed = (f"Authorization: Bearer {TOKEN}", "Content-Type: application/json")
    return ("\r\n".join((request, *lines, *fixed)) + "\r\n\r\n").encode("latin-1")


def statuses(said: bytes) -> list[int]:
    """Of all answers in what came back, told by their first lines."""
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


FRAMINGS = {
    "both framings": head("Host: a", "Content-Length: 4", "Transfer-Encoding: chunked") + chunked(BODY),
    "both, the other way round": head("Host: a", "Transfer-Encoding: chunked", "Content-Length: 4") + chunked(BODY),
    "length, then a request": head("Host: a", "Content-Length: 0", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "two lengths": head("Host: a", "Content-Length: 0", f"Content-Length: {len(SMUGGLED)}"),
    "two equal lengths": head("Host: a", "Content-Length: 0", "Content-Length: 0"),
    "a list of lengths": head("Host: a", "Content-Length: 0, 0"),
    "a signed length": head("Host: a", "Content-Length: +0"),
    "a negative length": head("Host: a", "Content-Length: -1"),
    "a length in hex": head("Host: a", "Content-Length: 0x0"),
    "a length of no digits": head("Host: a", "Content-Length: "),
    "an enormous length": head("Host: a", "Content-Length: 184467440737095516160"),
    "an unknown coding": head("Host: a", "Transfer-Encoding: xchunked"),
    "identity": head("Host: a", "Transfer-Encoding: identity"),
    "chunked twice": head("Host: a", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n",
    "two codings": head("Host: a", "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n",
    "two lines of coding": head("Host: a", "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + b"0\r\n\r\n",
    "a tab before the coding": head("Host: a", "Transfer-Encoding:\tchunked\x0b") + b"0\r\n\r\n",
    "a blank before the colon": head("Host: a", "Transfer-Encoding : chunked", "Content-Length: 0"),
    "a folded line": head("Host: a", "X: b\r\n Content-Length: 0"),
    "a bare line feed": b"POST /actions HTTP/1.1\nHost: a\nContent-Length: 0\n\n",
    "NUL in a name": head("Host: a", "X\0: b", "Content-Length: 0"),
    "NUL in a value": head("Host: a", "X: b\0", "Content-Length: 0"),
    "CR in a value": head("Host: a", "X: b\rContent-Length: 5", "Content-Length: 0"),
    "a chunk's size that overflows": head("Host: a", "Transfer-Encoding: chunked") + b"fffffffffffffffff\r\n",
    "a chunk's size with a sign": head("Host: a", "Transfer-Encoding: chunked") + b"+5\r\nabcde\r\n0\r\n\r\n",
    "a chunk's size in hex notation": head("Host: a", "Transfer-Encoding: chunked") + b"0x5\r\nabcde\r\n0\r\n\r\n",
    "a chunk without its end": head("Host: a", "Transfer-Encoding: chunked") + b"5\r\nabcdeX\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": head("Host: a", "Transfer-Encoding: chunked", "Content-Length: 0", request="POST / HTTP/1.0"),
    "no Host": head("Content-Length: 0"),
    "two Hosts": head("Host: a", "Host: b", "Content-Length: 0"),
    "a Host with a blank": head("Host: a b", "Content-Length: 0"),
    "a Host with a path": head("Host: a/../b", "Content-Length: 0"),
    "a Host with a user": head("Host: user@a", "Content-Length: 0"),
    "a Host that is not ASCII": head("Host: \xe9", "Content-Length: 0"),
    "another version": head("Host: a", "Content-Length: 0", request="POST / HTTP/3.0"),
    "no version": b"GET /leaderboard\r\n\r\n",
    "HTTP/2 by surprise": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS by mistake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 32,
    "nonsense": b"\xff\xfe\xfd\r\n\r\n",
    "a blank in the path": b"GET /leader board HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method of our own": b"GIVE /points HTTP/1.1\r\nHost: a\r\n\r\n",
}


async def test_what_may_be_read_in_two_ways_is_refused_whole(gateway: RunningGateway) -> None:
    """One refusal each, the connection ends, and the request hidden behind it was not taken for one."""
    wrong = {}
    for idea, data in FRAMINGS.items():
        said = await say(port_of(gateway), data + SMUGGLED)
        is_refused = statuses(said) == [400] and b"urn:shardboard:problem:malformed-request" in said
        if not is_refused or await gateway.metric(ACCEPTED):
            wrong[idea] = said[:300]
    assert wrong == {}
    assert (await gateway.post({"user_id": "alice", "action": "commit"}, token=TOKEN)).status == 201


async def test_a_refused_body_is_not_read_as_the_next_request(gateway: RunningGateway) -> None:
    """Behind a 413 the connection ends, whatever the body holds; behind other refusals the body's length is kept to."""
    too_large = head("Host: a", f"Content-Length: {20_000 + len(SMUGGLED)}") + SMUGGLED + b" " * 20_000 + SMUGGLED
    said = await say(port_of(gateway), too_large)
    assert statuses(said) == [413]
    assert b"connection: close" in said
    unauthorised = head("Host: a", f"Content-Length: {len(SMUGGLED)}").replace(b"Bearer ey", b"Bearer xx") + SMUGGLED
    last = b"GET /demo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert statuses(await say(port_of(gateway), unauthorised + last)) == [401, 200]
    endless = head("Host: a", "Transfer-Encoding: chunked") + chunked(b" " * 20_000)[:-5] + SMUGGLED
    assert statuses(await say(port_of(gateway), endless)) in ([413], [400])
    assert await gateway.metric(ACCEPTED) == 0


async def test_pipelined_requests_are_answered_in_order(gateway: RunningGateway) -> None:
    paths = ("/demo", "/nothing", "/demo", "/openapi.json", "/nothing")
    asked = b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)
    last = b"GET /demo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert statuses(await say(port_of(gateway), asked + last)) == [200, 404, 200, 200, 404, 200]


async def test_nonsense_behind_a_good_request_does_not_take_its_answer(gateway: RunningGateway) -> None:
    """The action was recorded, so its client must read 201, not the 400 of what followed."""
    said = await say(port_of(gateway), SMUGGLED + b"\xff\xfe nonsense\r\n\r\n")
    assert statuses(said) == [201]
    assert await gateway.metric(ACCEPTED) == 1


BOARD = b"GET /leaderboard HTTP/1.1\r\nHost: a\r\n"


async def test_boards_and_actions_that_come_together_are_answered_in_order(gateway: RunningGateway) -> None:
    """Some of them need no task, the last has an Idempotency-Key and needs one."""
    keyed = SMUGGLED.replace(b"Host: a\r\n", b"Host: a\r\nIdempotency-Key: k1\r\n")
    bad = SMUGGLED.replace(b"commit", b"nosuch")
    asked = BOARD + b"\r\n" + SMUGGLED + BOARD.replace(b"GET", b"HEAD") + b"\r\n" + bad + keyed + BOARD + b"\r\n"
    said = await say(port_of(gateway), asked + BOARD + b"Connection: close\r\n\r\n")
    assert statuses(said) == [200, 201, 200, 422, 201, 200, 200]
    assert said.count(b'"entries"') == 3
    assert said.count(b"connection: close") == 1
    assert said.count(b"date: ") == 7
    assert await gateway.metric(ACCEPTED) == 2


async def test_a_body_that_comes_after_its_headers_is_waited_for(gateway: RunningGateway) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, port_of(gateway))
    for number, cut in enumerate((SMUGGLED.index(b"{"), len(SMUGGLED) - 1), start=1):
        writer.write(SMUGGLED[:cut])
        await writer.drain()
        assert (await gateway.post({"user_id": "alice", "action": "commit"}, token=TOKEN)).status == 201
        writer.write(SMUGGLED[cut:])
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"}")
        assert statuses(answer) == [201]
        assert await gateway.metric(ACCEPTED) == 2 * number
    writer.close()


@pytest.mark.parametrize(
    "headers",
    [
        [f"X: {'x' * 2 * HEADERS_BYTES_MAX}"],
        [f"X-{number}: {'x' * 100}" for number in range(1_000)],
        [f"{'x' * 2 * HEADERS_BYTES_MAX}: y"],
    ],
    ids=["one", "many", "a name"],
)
async def test_giant_headers_are_431(gateway: RunningGateway, headers: list[str]) -> None:
    said = await say(port_of(gateway), head("Host: a", *headers, "Content-Length: 0"))
    assert statuses(said) == [431]
    assert b"urn:shardboard:problem:headers-too-large" in said
    path = b"GET /" + b"a" * 2 * HEADERS_BYTES_MAX + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert statuses(await say(port_of(gateway), path)) == [431]


async def test_headers_without_end_are_ended(gateway: RunningGateway) -> None:
    """A client that sends headers for ever is refused after the bound, not kept in memory."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port_of(gateway))
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n")
    sent = 0
    try:
        async with asyncio.timeout(20):
            while not reader.at_eof() and sent < 100 * HEADERS_BYTES_MAX:
                writer.write(b"X: " + b"x" * 1_000 + b"\r\n")
                await writer.drain()
                sent += 1_000
                await asyncio.sleep(0)
    except ConnectionError:
        pass
    writer.close()
    assert sent < 100 * HEADERS_BYTES_MAX


async def test_who_dawdles_over_headers_is_ended_and_keeps_nobody_waiting(impatient: RunningGateway) -> None:
    """Two hundred connections say nothing, or a byte now and then; all end, and others are served all the while."""
    begun = (b"", b"GET /leader", b"GET /demo HTTP/1.1\r\nHost: a\r\nX-Slow: ")
    opened = [await asyncio.open_connection(LOOPBACK, port_of(impatient)) for _ in range(200)]
    for number, (_, writer) in enumerate(opened):
        writer.write(begun[number % len(begun)])
    served = 0

    async def drip() -> None:
        nonlocal served
        while True:
            for _, writer in opened[2::3]:
                writer.write(b"x")
            served += (await impatient.post({"user_id": "alice", "action": "commit"}, token=TOKEN)).status == 201

    dripping = asyncio.create_task(drip())
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(_until_end(reader) for reader, _ in opened))
    dripping.cancel()
    await asyncio.wait({dripping})
    for _, writer in opened:
        writer.close()
    assert served > 0
    assert {status for answer in answers for status in statuses(answer)} <= {408}
    assert any(b"urn:shardboard:problem:headers-too-slow" in answer for answer in answers)


async def test_a_patient_keep_alive_is_not_slow(impatient: RunningGateway) -> None:
    """Between two requests nothing is under way: the connection may rest far longer than headers may take."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port_of(impatient))
    request = b"GET /demo-not-there HTTP/1.1\r\nHost: a\r\n\r\n"
    writer.write(request)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404")
    rested = asyncio.Event()
    asyncio.get_running_loop().call_later(1.5, rested.set)
    await rested.wait()
    writer.write(request)
    async with asyncio.timeout(10):
        assert b"HTTP/1.1 404" in await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def _until_end(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionError:
        return b""
