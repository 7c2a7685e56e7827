"""One gateway with thousands of live streams while a board changes at a constant rate, beside a bare loop of writes to
as many sockets: deliveries per CPU-second of the serving process, how far readers are behind, memory for each."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bench.baselines.write_loop import Accept, Listen, Listening, Write, Wrote
from bench.cpu_time import cpu_s
from bench.driven import Driven, driven
from bench.fanout_clients import Begin, Begun, Finish, Found, Open, Opened
from bench.fanout_lag import Published
from bench.gateway_process import GatewayGround, board
from bench.ground import Ground
from bench.results import Ask, Part, Way, make_part
from contracts.clock import now_ms
from contracts.tops import GlobalTop
from merger.redis_cache import BoardWrite, MergerCache
from shardboard.embedded.ports import LOOPBACK

GATEWAY, BARE = "gateway", "bare loop of writes"
PER_CPU_S, BEHIND, KIB = "per_cpu_s", "behind_p99_ms", "kib_each"
CHANGES_PER_S: Final = 10
BAR: Final = 0.5
BEHIND_MS: Final = 250.0
"""Within this, 99 of 100 readers are at most one change behind."""
KIB_EACH: Final = 25.0
BEAT_S: Final = 1.0
"""As the merger's: without it the board goes stale between two rounds, and every stream is told so."""
SPARE_STREAMS: Final = 16
PATH: Final = "/leaderboard/stream?period=all_time"


class ReadersLost(Exception):
    """Some never got the last change; the message says how many."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Each number of streams of the form."""
    for clients in ground.sizes.streams:
        case = f"{clients:,} live streams, {CHANGES_PER_S} changes/s"
        if ground.asked.wants(case):
            yield await _part(ground, clients, case=case)


async def _part(ground: Ground, clients: int, *, case: str) -> Part:
    sizes = ground.sizes
    changes = max(2, round(sizes.load_s * CHANGES_PER_S))
    ways = {
        GATEWAY: Way(GATEWAY, {name: [] for name in (PER_CPU_S, "p50_ms", "p99_ms", BEHIND, "max_ms", KIB)}),
        BARE: Way(BARE, {name: [] for name in (PER_CPU_S, "p50_ms", "p99_ms", "max_ms")}),
    }
    async with AsyncExitStack() as running:
        served = await _Served.made(ground, running, clients=clients)
        bare = await _Bare.made(running, clients=clients, state=served.state)
        for number in range(sizes.rounds + 1):
            for name, side in ((GATEWAY, served), (BARE, bare)):
                found = await side.round(changes)
                if number:
                    for measure, values in ways[name].measures.items():
                        values.append(found[measure])
    return make_part(
        "fanout", case,
        settings={"streams": clients, "changes_per_s": CHANGES_PER_S, "changes": changes, "bytes": len(bare.event)},
        ways=list(ways.values()),
        asks=[
            Ask(measure=PER_CPU_S, first=GATEWAY, second=BARE, at_least=BAR),
            Ask(measure=BEHIND, first=GATEWAY, at_most=BEHIND_MS),
            Ask(measure=KIB, first=GATEWAY, at_most=KIB_EACH),
            Ask(measure="p99_ms", first=GATEWAY, second=BARE),
        ],
        notes=("memory is the process's own; what the kernel holds for each socket comes on top, for both alike",),
    )  # fmt: skip


class _Served:
    """A gateway, its streams, and who changes its board."""

    def __init__(self, cache: MergerCache, readers: Driven, *, pid: int, clients: int, idle_kib: int) -> None:
        self._cache = cache
        self._readers = readers
        self._pid = pid
        self._clients = clients
        self._idle_kib = idle_kib
        self._version = 0
        self._turn = asyncio.Lock()
        self.state = Opened(0, b"")

    @classmethod
    async def made(cls, ground: Ground, running: AsyncExitStack, *, clients: int) -> "_Served":
        """With every stream open."""
        grounded = await GatewayGround.made(ground, "fanout")
        grounded.environ["SHARDBOARD_SSE_CLIENTS_MAX"] = str(clients + SPARE_STREAMS)
        grounded.environ["SHARDBOARD_ADDRESS_RATE"] = "0"  # all of them come from one
        gateway = await running.enter_async_context(grounded.gateway())
        cache, readers = MergerCache(grounded.cache), await running.enter_async_context(driven("bench.fanout_clients"))
        await cache.open()
        running.push_async_callback(cache.close)
        made = cls(cache, readers, pid=gateway.pid, clients=clients, idle_kib=resident_kib(gateway.pid))
        beating = asyncio.create_task(made._beat(), name="merger's heartbeat")
        running.push_async_callback(_ended, beating)
        await made._change()
        address = urlsplit(gateway.url)
        assert address.port is not None
        made.state = await readers.ask(Open(LOOPBACK, address.port, PATH, clients), Opened)
        return made

    async def round(self, changes: int) -> dict[str, float]:
        """One."""
        await self._readers.ask(Begin(), Begun)
        before_s, start_s, published = cpu_s([self._pid]), monotonic(), list[Published]()
        for number in range(changes):
            await asyncio.sleep(max(0.0, start_s + number / CHANGES_PER_S - monotonic()))
            published.append(await self._change())
        found = await self._readers.ask(Finish(published), Found)
        spent_s = cpu_s([self._pid]) - before_s
        kib = (resident_kib(self._pid) - self._idle_kib) / self._clients
        return {**measures_of(found, spent_s), KIB: kib}

    async def _change(self) -> Published:
        """The merger's way of writing a board; its time is from before it is written."""
        async with self._turn:
            at_s = monotonic()
            top = changed(self._version)
            written = await self._cache.write_boards([BoardWrite(top, None)], known_version=self._version)
        assert written.accepted, "nobody else writes"
        self._version = written.version
        return Published(written.version, at_s)

    async def _beat(self) -> None:
        while True:
            async with self._turn:
                await self._cache.beat(now_ms())
            await asyncio.sleep(BEAT_S)


class _Bare:
    """The loop of writes and its streams."""

    def __init__(self, loop: Driven, readers: Driven, *, event: bytes) -> None:
        self._loop = loop
        self._readers = readers
        self.event = event

    @classmethod
    async def made(cls, running: AsyncExitStack, *, clients: int, state: Opened) -> "_Bare":
        """With every stream open; events are as long as the gateway's."""
        loop = await running.enter_async_context(driven("bench.baselines.write_loop"))
        readers = await running.enter_async_context(driven("bench.fanout_clients"))
        listening = await loop.ask(Listen(state.event, state.version), Listening)
        await asyncio.gather(
            loop.ask(Accept(clients), Wrote), readers.ask(Open(LOOPBACK, listening.port, PATH, clients), Opened)
        )
        return cls(loop, readers, event=state.event)

    async def round(self, changes: int) -> dict[str, float]:
        """One."""
        await self._readers.ask(Begin(), Begun)
        before_s = cpu_s([self._loop.pid])
        wrote = await self._loop.ask(Write(changes, CHANGES_PER_S), Wrote)
        found = await self._readers.ask(Finish(wrote.published), Found)
        return measures_of(found, cpu_s([self._loop.pid]) - before_s)


def measures_of(found: Found, spent_s: float) -> dict[str, float]:
    """Of one round. Raises ReadersLost."""
    lag = found.lag
    if lag.missed:
        raise ReadersLost(f"{lag.missed} streams did not get the last change")
    return {
        PER_CPU_S: found.deliveries / spent_s if spent_s else 0.0,
        "p50_ms": lag.p50_ms,
        "p99_ms": lag.p99_ms,
        BEHIND: lag.behind_p99_ms,
        "max_ms": lag.max_ms,
    }


def changed(known_version: int) -> GlobalTop:
    """The board after the version, the best row's score with it."""
    last = board()
    first, *others = last.rows
    version = max(known_version + 1, now_ms())
    best = msgspec.structs.replace(first, score=first.score + version % 1_000_000)
    return msgspec.structs.replace(last, version=version, rows=(best, *others))


def resident_kib(pid: int) -> int:
    """What a process has in memory."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise ProcessLookupError(pid)


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
