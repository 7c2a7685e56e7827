"""deploy/haproxy/haproxy.cfg before two real gateways: shares, dead and leaving gateways, streams, HTTPS."""

import asyncio
import datetime as dt
import json
import signal
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from contracts.clock import monotonic_s
from contracts.problems import ALL as PROBLEMS
from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.integration.deploy.conftest import HAPROXY, SECRET, write_board
from tests.support.balanced_gateways import CONFIG, READING, Balanced, balanced_gateways, start_haproxy
from tests.support.raw_http import KeptConnection, RawAnswer
from tests.support.running_gateway import token_for
from tests.support.wait import wait_until

READS = 10_000
READERS = 8
BACKENDS = (*READING, "actions")
WRITERS = ("ada", "bob")
READ = b"GET /leaderboard?period=all_time HTTP/1.1\r\nHost: board.example\r\n\r\n"
BOARD_READS = "shardboard_board_reads_total"
BUSY_S = 1.0
"""Twice as long as between two questions about health, and half of what makes a gateway leave: two that wait for a
second each. The other half is for a machine that is busy itself."""


@dataclass(slots=True)
class Load:
    """Readers and writers that never pause; what they were answered."""

    port: int
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    is_over: bool = False

    async def read(self) -> None:
        await self._ask(READ, self.reads)

    async def write(self, user: str) -> None:
        await self._ask(post(user), self.writes)

    async def _ask(self, request: bytes, answers: Counter[str]) -> None:
        connection = KeptConnection(self.port)
        while not self.is_over:
            try:
                answer = await connection.ask(request)
                answers[str(answer.status)] += 1
            except (OSError, EOFError, TimeoutError) as error:
                answers[type(error).__name__] += 1
                await connection.close()
        await connection.close()


def post(user: str) -> bytes:
    """An action of this user, as bytes."""
    body = json.dumps({"user_id": user, "action": "commit"}).encode()
    return (
        b"POST /actions HTTP/1.1\r\nHost: board.example\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %s\r\nContent-Length: %d\r\n\r\n%s"
    ) % (token_for(user, secret=SECRET).encode(), len(body), body)


async def ask(port: int, request: bytes) -> RawAnswer:
    connection = KeptConnection(port)
    try:
        return await connection.ask(request)
    finally:
        await connection.close()


@asynccontextmanager
async def under_load(edge: Balanced) -> AsyncIterator[Load]:
    """Four readers and two writers at work, each of which has had answers."""
    load = Load(edge.port)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(load.read())
        for user in WRITERS:
            tasks.create_task(load.write(user))
        try:
            await wait_until(lambda: load.reads["200"] > 50 and load.writes["201"] > 10, what="the load to flow")
            yield load
        finally:
            load.is_over = True


@pytest.fixture
async def pair(edge_environ: dict[str, str], tmp_path: Path) -> AsyncIterator[Balanced]:
    """Two gateways that the test may break."""
    async with balanced_gateways(edge_environ, tmp_path, haproxy=HAPROXY) as balanced:
        await wait_until(
            lambda: all(balanced.state("actions", gateway.name) == "UP" for gateway in balanced.gateways),
            timeout_s=20,
            what="both gateways to take actions",
        )
        yield balanced


async def test_each_gateway_gets_its_share(edge: Balanced) -> None:
    before = [await gateway.metric(BOARD_READS) for gateway in edge.gateways]
    statuses: Counter[int] = Counter()

    async def read() -> None:
        connection = KeptConnection(edge.port)
        for _ in range(READS // READERS):
            statuses[(await connection.ask(READ)).status] += 1
        await connection.close()

    await asyncio.gather(*(read() for _ in range(READERS)))
    assert statuses == {200: READS}
    served = [await g.metric(BOARD_READS) - was for g, was in zip(edge.gateways, before, strict=True)]
    assert sum(served) == READS
    assert served[0] == pytest.approx(READS * 100 / 150, rel=0.05)


async def test_a_dead_gateway_is_out_within_two_seconds_and_no_read_fails(pair: Balanced) -> None:
    async with under_load(pair) as load:
        killed = pair.gateways[0]
        at_s = monotonic_s()
        killed.process.kill()
        await wait_until(lambda: {pair.state(b, killed.name) for b in BACKENDS} == {"DOWN"}, timeout_s=2, what="DOWN")
        assert monotonic_s() - at_s < 2
        seen = load.reads["200"], load.writes["201"]
        await wait_until(lambda: load.reads["200"] > seen[0] + 50 and load.writes["201"] > seen[1] + 10, what="more")
    assert set(load.reads) == {"200"}
    # What was under way in the dead gateway may have been recorded: its writer gets no answer, or is told so. Likewise
    # who came to the door of that process just then. A third time is none: the door is shut.
    assert set(load.writes) <= {"201", "502", "IncompleteReadError"}
    assert load.writes["502"] + load.writes["IncompleteReadError"] <= 2 * len(WRITERS)


async def test_a_busy_gateway_stays_in_and_no_request_fails(pair: Balanced) -> None:
    """It answers nothing for a while, not even about its health, as in a long collection of garbage."""
    busy = pair.gateways[0]
    states: set[str] = set()

    def is_noted(is_reached: bool) -> bool:
        states.update(pair.state(backend, busy.name) for backend in BACKENDS)
        return is_reached

    async with under_load(pair) as load:
        busy.process.send_signal(signal.SIGSTOP)
        until_s = monotonic_s() + BUSY_S
        await wait_until(lambda: is_noted(monotonic_s() >= until_s), what="the pause to end")
        busy.process.send_signal(signal.SIGCONT)
        seen = load.reads["200"]
        await wait_until(lambda: is_noted(load.reads["200"] > seen + 50), what="more reads")
    assert states == {"UP"}
    assert (set(load.reads), set(load.writes)) == ({"200"}, {"201"})


async def test_a_gateway_that_is_told_to_end_costs_no_request(pair: Balanced) -> None:
    async with under_load(pair) as load:
        leaving = pair.gateways[1]
        leaving.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await leaving.process.wait() == 0
        seen = load.reads["200"], load.writes["201"]
        await wait_until(lambda: load.reads["200"] > seen[0] + 50 and load.writes["201"] > seen[1] + 10, what="more")
    assert (set(load.reads), set(load.writes)) == ({"200"}, {"201"})


async def test_a_stream_passes_at_once_and_comes_back_when_its_gateway_dies(
    pair: Balanced, edge_environ: dict[str, str]
) -> None:
    url = f"{pair.url}/leaderboard/stream?period=all_time"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as stream:
            assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
            async with asyncio.timeout(5):
                await _until_event(stream, version=1)
            await write_board(edge_environ["SHARDBOARD_CACHE_URL"], version=2)
            async with asyncio.timeout(2):
                await _until_event(stream, version=2)
            # Whichever has the stream: it ends with its gateway, long before any timeout.
            counts = [await gateway.metric("shardboard_sse_clients") for gateway in pair.gateways]
            pair.gateways[counts.index(1)].process.kill()
            with pytest.raises(aiohttp.ClientPayloadError):
                async with asyncio.timeout(5):
                    await stream.content.read()
        async with http.get(url) as stream, asyncio.timeout(5):
            await _until_event(stream, version=2)


async def test_boards_are_read_while_kafka_is_away(edge_environ: dict[str, str], tmp_path: Path) -> None:
    """No gateway is ready then: reads go on, and an action is refused in the gateway's own words."""
    (nobody,) = free_ports(1)
    environ = {**edge_environ, "SHARDBOARD_KAFKA": f"{LOOPBACK}:{nobody}"}
    async with balanced_gateways(environ, tmp_path, haproxy=HAPROXY) as away:
        await wait_until(
            lambda: {away.state("actions", gateway.name) for gateway in away.gateways} == {"DOWN"}, what="DOWN"
        )
        assert (await ask(away.port, READ)).status == 200
        refused = await ask(away.port, post("ada"))
        assert refused.status == 503
        assert json.loads(refused.body)["type"].endswith(("log-unavailable", "overloaded"))


async def test_https_with_a_certificate_and_plain_http_is_sent_there(edge: Balanced, tmp_path: Path) -> None:
    certificate = _self_signed(tmp_path / "edge.pem")
    (tls_port,) = free_ports(1)
    variables = {**HAPROXY, "TLS_CERT": str(certificate), "TLS_BIND": f"{LOOPBACK}:{tls_port}"}
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with AsyncExitStack() as ending:
        secure = await start_haproxy(edge.gateways, tmp_path, variables=variables, ending=ending)
        http = await ending.enter_async_context(aiohttp.ClientSession())
        async with http.get(f"https://localhost:{tls_port}/leaderboard?period=all_time", ssl=trusting) as answer:
            assert answer.status == 200
            assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        async with http.get(f"{secure.url}/leaderboard", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"][:8]) == (308, "https://")


async def test_the_balancer_says_of_itself_whether_it_has_a_gateway(edge: Balanced) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://{LOOPBACK}:{edge.admin_port}/health") as answer:
            assert answer.status == 200
        async with http.get(f"http://{LOOPBACK}:{edge.admin_port}/metrics") as answer:
            assert 'haproxy_server_status{proxy="boards",server="gateway1",state="UP"} 1' in await answer.text()


def test_its_own_refusals_are_problem_documents() -> None:
    """Each is JSON, has its own status, and where it names a kind of ours, that kind's status and title."""
    kinds = {kind.type: kind for kind in PROBLEMS}
    lines = [line.strip() for line in CONFIG.read_text().splitlines() if line.strip().startswith("http-error ")]
    assert len(lines) == 6
    for line in lines:
        document = json.loads(line.partition("lf-string '")[2].removesuffix("'"))
        assert document["status"] == int(line.split()[2])
        kind = kinds.get(document["type"])
        assert document["type"] == "about:blank" or kind is not None
        assert kind is None or (kind.status, kind.title) == (document["status"], document["title"])


async def _until_event(stream: aiohttp.ClientResponse, *, version: int) -> None:
    """Read on until the board of this version came."""
    while True:
        line = await stream.content.readline()
        assert line, "the stream ended"
        if line.startswith(b"data:") and json.loads(line.removeprefix(b"data:")).get("version") == version:
            return


def _self_signed(path: Path) -> Path:
    """A certificate for localhost and its key in one file, as HAProxy takes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    secret = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(certificate.public_bytes(encoding) + secret)
    return path
