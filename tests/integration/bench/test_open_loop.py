"""The load at a constant rate: a server that stalls is felt by every request that was due meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.open_loop import Load, Plan, post_request

STALL_S = 0.3


class Server:
    """Answers each request at once, but nothing while it is held; counts what it got."""

    def __init__(self, status: bytes = b"200 OK") -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.requests: list[bytes] = []
        self._status = status

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                self.requests.append(await reader.readexactly(length))
                await self.open.wait()
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\n{}" % self._status)
        except asyncio.IncompleteReadError:
            writer.close()


@asynccontextmanager
async def loading(server: Server, *, connections: int, seconds: float) -> AsyncIterator[Load]:
    """A load on the server; 200 requests per second."""
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        requests = [post_request(url, "/actions", body=body, token="t") for body in (b"one", b"two")]
        yield Load(Plan(url, 200, seconds, connections, requests))


async def test_all_are_sent_in_turn_and_answered() -> None:
    server = Server()
    async with loading(server, connections=4, seconds=0.2) as load:
        found = await load.run()
    assert (found.count, found.unanswered, found.failed) == (40, 0, 0)
    assert server.requests[:2] == [b"one", b"two"]
    assert 0 < found.p50_ms <= found.p99_ms <= found.max_ms


async def test_a_stall_counts_for_all_requests_that_were_due_meanwhile() -> None:
    """One connection: a loop that waits for answers would send one request in the stall, and feel it once."""
    server = Server()
    async with loading(server, connections=1, seconds=0.4) as load:
        server.open.clear()
        asyncio.get_running_loop().call_later(STALL_S, server.open.set)
        found = await load.run()
    assert (found.count, found.unanswered) == (80, 0)
    assert found.max_ms >= 1_000 * STALL_S * 0.9
    slow = [latency for latency in load.tally.latencies_s if latency > STALL_S / 4]
    assert len(slow) > found.count // 4


async def test_refused_requests_are_told_apart() -> None:
    async with loading(Server(b"503 Service Unavailable"), connections=2, seconds=0.05) as load:
        found = await load.run()
    assert (found.count, found.failed, found.unanswered) == (0, 10, 0)
