"""Single POSTs with everything behind them running on the same processors: gateway, Kafka, a worker and its Redis,
merger, and `wrk` itself. An action counts when the worker has applied it; beside it the board that most teams write."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from bench.gateway_process import bodies
from bench.ground import Ground
from bench.http_paths import PLAIN
from bench.results import PER_S, Ask, Part, Way, make_part
from bench.whole import Progress, progress_of, start_rest, start_workers, whole
from bench.wrk import Requests, rate
from contracts.clock import monotonic_s

CHAIN: Final = "whole chain, applied"
BAR: Final = 2.0
Sent = Callable[[str], Awaitable[int]]


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Both in turn; while one is measured, the other one idles."""
    sizes, found = ground.sizes, {name: Way(name, {PER_S: []}) for name in (CHAIN, PLAIN)}
    async with whole(ground, "chain") as (deployment, running):
        await start_workers(deployment, running)
        await start_rest(deployment, running)
        assert deployment.gateway is not None
        plain = await running.enter_async_context(deployment.grounded.baseline("plain-zset"))
        progress = await running.enter_async_context(progress_of(deployment))
        requests = Requests("/actions", tuple(bodies()), deployment.grounded.token())

        async def sent(url: str) -> int:
            folder = ground.new_folder("wrk")
            _, count = await rate(url, requests, connections=sizes.connections, load_s=sizes.load_s, folder=folder)
            return count

        for number in range(sizes.rounds + 1):
            chain = await _applied(progress, lambda: sent(deployment.gateway.url))  # type: ignore[union-attr]
            began_s = monotonic_s()
            of_plain = await sent(plain.url) / (monotonic_s() - began_s)
            if number:
                found[CHAIN].measures[PER_S].append(chain)
                found[PLAIN].measures[PER_S].append(of_plain)
    yield make_part(
        "chain", "POST /actions, from the first request to the last one applied",
        settings={"connections": sizes.connections, "seconds": sizes.load_s, "shards": 1, "boards": 3},
        ways=list(found.values()),
        asks=[Ask(measure=PER_S, first=CHAIN, second=PLAIN, at_least=BAR)],
        notes=("the plain ZSET board is not durable: one Redis holds all there is",),
    )  # fmt: skip


async def _applied(progress: Progress, send: Callable[[], Awaitable[int]]) -> float:
    """Per second, from the first request to the last answered one applied."""
    before, began_s = await progress.applied() or 0, monotonic_s()
    count = await send()
    return count / (await progress.until(before + count) - began_s)
