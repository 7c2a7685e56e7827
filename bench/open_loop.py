"""Requests at a constant rate, whatever the answers do: `python -m bench.open_loop`, plan on stdin, findings on stdout.
A latency counts from the moment at which the request was due. A process of its own, so that it does not share an
interpreter with what it measures."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec

from bench.apart import apart, as_process
from bench.results import percentile

SHARES: Final = (0.5, 0.9, 0.99, 0.999, 1.0)
YIELD_EVERY: Final = 16
"""A generator that is late still lets answers come in."""
DRAIN_S: Final = 10.0
"""How long answers are waited for after the last request."""


class Plan(msgspec.Struct, frozen=True):
    """What is sent: these requests in turn."""

    url: str
    rate_per_s: float
    seconds: float
    connections: int
    requests: list[bytes]


class Latencies(msgspec.Struct, frozen=True):
    """What was found, in ms. `unanswered` and `failed` are requests, which the latencies leave out."""

    count: int
    unanswered: int
    failed: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    sent_late_p99_ms: float


class Tally:
    """Collects latencies."""

    def __init__(self) -> None:
        self.latencies_s: list[float] = []
        self.late_s: list[float] = []
        self.failed = 0

    def found(self, begun: int) -> Latencies:
        """Of so many requests."""
        answered, late = sorted(self.latencies_s), sorted(self.late_s)
        p50, p90, p99, p999, longest = (1_000 * percentile(answered, share) if answered else 0.0 for share in SHARES)
        return Latencies(
            count=len(answered),
            unanswered=begun - len(answered) - self.failed,
            failed=self.failed,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            p999_ms=p999,
            max_ms=longest,
            sent_late_p99_ms=1_000 * percentile(late, 0.99) if late else 0.0,
        )


async def paced(rate_per_s: float, seconds: float, *, begin: Callable[[int, float], None]) -> int:
    """Call `begin(number, due)` for each request when it is due, or as soon after it as the loop gets to it."""
    count, start = max(1, int(rate_per_s * seconds)), perf_counter()
    for number in range(count):
        due = start + number / rate_per_s
        wait_s = due - perf_counter()
        if wait_s > 0 or number % YIELD_EVERY == 0:
            await asyncio.sleep(max(0.0, wait_s))
        begin(number, due)
    return count


class _Connection(asyncio.Protocol):
    """One request at a time; tells the answer's status."""

    def __init__(self, on_answer: Callable[["_Connection", bool], None]) -> None:
        self._on_answer = on_answer
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by class

    def send(self, request: bytes, due: float) -> None:
        """The answer before must have come."""
        assert self._transport is not None
        self.due = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, end, body = self._got.partition(b"\r\n\r\n")
        if end and len(body) >= _length_of(head):
            self._got = b""
            self._on_answer(self, head.startswith(b"HTTP/1.1 2"))


class Load:
    """The plan's connections. A request that is due while all are busy waits, and its latency with it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.tally = Tally()
        self._idle: deque[_Connection] = deque()
        self._transports: list[asyncio.Transport] = []
        self._waiting: deque[tuple[int, float]] = deque()
        self._begun = -1
        """How many were sent, once all were."""
        self._done = asyncio.Event()

    async def run(self) -> Latencies:
        """Send, then wait for the answers that are under way."""
        address, loop = urlsplit(self._plan.url), asyncio.get_running_loop()
        assert address.hostname, self._plan.url
        assert address.port, self._plan.url
        for _ in range(self._plan.connections):
            transport, connection = await loop.create_connection(
                lambda: _Connection(self._answered), address.hostname, address.port
            )
            self._transports.append(transport)
            self._idle.append(connection)
        try:
            return await self._send_all()
        finally:
            for transport in self._transports:
                transport.close()

    async def _send_all(self) -> Latencies:
        begun = await paced(self._plan.rate_per_s, self._plan.seconds, begin=self._begin)
        self._begun = begun
        if self._is_done():
            self._done.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._done.wait(), DRAIN_S)
        return self.tally.found(begun)

    def _is_done(self) -> bool:
        return len(self.tally.latencies_s) + self.tally.failed == self._begun

    def _begin(self, number: int, due: float) -> None:
        if self._idle:
            self._send(self._idle.popleft(), number, due=due)
        else:
            self._waiting.append((number, due))

    def _send(self, connection: _Connection, number: int, *, due: float) -> None:
        self.tally.late_s.append(perf_counter() - due)
        connection.send(self._plan.requests[number % len(self._plan.requests)], due)

    def _answered(self, connection: _Connection, is_good: bool) -> None:
        if is_good:
            self.tally.latencies_s.append(perf_counter() - connection.due)
        else:
            self.tally.failed += 1
        if self._waiting:
            number, due = self._waiting.popleft()
            self._send(connection, number, due=due)
        else:
            self._idle.append(connection)
        if self._is_done():
            self._done.set()


def post_request(url: str, path: str, *, body: bytes, token: str) -> bytes:
    """The bytes of one POST."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def get_request(url: str, path: str) -> bytes:
    """The bytes of one GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()


async def run_apart(plan: Plan) -> Latencies:
    """Run the plan in a process of its own. Raises RuntimeError with what it said."""
    return await apart("bench.open_loop", plan, found=Latencies)


def _length_of(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


if __name__ == "__main__":
    as_process(Plan, lambda plan: Load(plan).run())
