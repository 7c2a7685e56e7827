"""How long clients wait at a constant rate: for an action's acknowledgement, beside Kafka and its client alone; and for
the board while others act."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from bench.baselines.produce_loop import ProducePlan, produce_apart
from bench.gateway_process import PARTITIONS, GatewayGround, bodies
from bench.ground import Ground
from bench.http_paths import BOARD
from bench.open_loop import Latencies, Plan, get_request, post_request, run_apart
from bench.results import Ask, Part, Way, make_part

GATEWAY, LOOP = "POST /actions", "produce and wait"
READING, MEANWHILE, PROMISE = "GET top 10", "POST meanwhile", "promised"
BAR: Final = 3.0
PROMISE_MS: Final = 100.0
READ_SHARE: Final = 0.4
"""Of the form's rate: 2,000/s in the full one."""
VALUE: Final = b"x" * 194
"""An action's bytes in the log, on average."""
MEASURES: Final = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "sent_late_p99_ms")


class Unanswered(Exception):
    """Requests failed or stayed without an answer: their latencies would be left out, so none are told."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Acting, then reading while others act, at the same rate each."""
    grounded = await GatewayGround.made(ground, "latency")
    yield await _acting(ground, grounded)
    yield await _reading(ground, grounded)


async def _acting(ground: Ground, grounded: GatewayGround) -> Part:
    """Both ways in turn."""
    sizes, token = ground.sizes, grounded.token()
    found: dict[str, Way] = {name: Way(name, {m: [] for m in MEASURES}) for name in (GATEWAY, LOOP)}
    async with grounded.gateway() as gateway:
        requests = [post_request(gateway.url, "/actions", body=body, token=token) for body in bodies()]
        plan = Plan(gateway.url, sizes.rate_per_s, sizes.load_s, sizes.connections, requests)
        loop = ProducePlan(grounded.kafka, grounded.topic, sizes.rate_per_s, sizes.load_s, PARTITIONS, [VALUE])
        for number in range(sizes.rounds + 1):
            for name, latencies in ((GATEWAY, await run_apart(plan)), (LOOP, await produce_apart(loop))):
                _check(name, latencies)
                if number:
                    for measure in MEASURES:
                        found[name].measures[measure].append(getattr(latencies, measure))
    return make_part(
        "latency", f"POST at {sizes.rate_per_s:,}/s",
        settings={"rate_per_s": sizes.rate_per_s, "seconds": sizes.load_s, "connections": sizes.connections},
        ways=list(found.values()),
        asks=[
            Ask(measure="p99_ms", first=GATEWAY, second=LOOP, at_most=BAR),
            Ask(measure="p50_ms", first=GATEWAY, second=LOOP),
        ],
        notes=("latency counts from when a request was due, so that a stall is felt by all that come meanwhile",),
    )  # fmt: skip


async def _reading(ground: Ground, grounded: GatewayGround) -> Part:
    """One gateway, two loads at once."""
    sizes, token = ground.sizes, grounded.token()
    rate = sizes.rate_per_s * READ_SHARE
    found = {name: Way(name, {m: [] for m in MEASURES}) for name in (READING, MEANWHILE)}
    async with grounded.gateway() as gateway:
        posts = [post_request(gateway.url, "/actions", body=body, token=token) for body in bodies()]
        acting = Plan(gateway.url, rate, sizes.load_s, sizes.connections, posts)
        reading = Plan(gateway.url, rate, sizes.load_s, sizes.connections, [get_request(gateway.url, BOARD)])
        for number in range(sizes.rounds + 1):
            told = await asyncio.gather(run_apart(reading), run_apart(acting))
            for name, latencies in zip((READING, MEANWHILE), told, strict=True):
                _check(name, latencies)
                if number:
                    for measure in MEASURES:
                        found[name].measures[measure].append(getattr(latencies, measure))
    promise = Way(PROMISE, {"p99_ms": [PROMISE_MS] * sizes.rounds})
    return make_part(
        "latency", f"the top 10 at {rate:,.0f}/s while {rate:,.0f} actions/s arrive",
        settings={"rate_per_s": rate, "seconds": sizes.load_s, "connections": sizes.connections},
        ways=[*found.values(), promise],
        asks=[Ask(measure="p99_ms", first=READING, second=PROMISE, at_most=1.0)],
    )  # fmt: skip


def _check(name: str, latencies: Latencies) -> None:
    if latencies.failed or latencies.unanswered:
        raise Unanswered(f"{name}: {latencies.failed} failed, {latencies.unanswered} unanswered of {latencies.count}")
