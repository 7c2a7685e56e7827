"""How soon an action is on the live stream while others act at a constant rate: gateway, Kafka, a worker and its
Redis, merger, cache and gateway again, beside what passing through Kafka costs alone at the same rate."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import msgspec

from bench.apart import apart
from bench.baselines.produce_loop import ProducePlan
from bench.gateway_process import PARTITIONS, GatewayGround, bodies
from bench.ground import Ground
from bench.latency_path import VALUE, Unanswered
from bench.open_loop import Latencies, Plan, post_request, run_apart
from bench.results import Ask, Part, Way, make_part
from bench.stream_probe import ProbePlan, Seen, seen_apart

SEEN, ACKNOWLEDGED, THROUGH = "on the stream, from due", "on the stream, from its 201", "through Kafka alone"
PUBLISHES_MS: Final = 4.0
"""Two publish intervals: the worker's, and the merger's after it."""
P50_BAR, P99_BAR = 3.0, 5.0
PROBES_PER_S: Final = 20
PROBE_POINTS: Final = 10
"""Of `commit` in actions.toml."""
SHARE_OF_RATE: Final = 0.4
"""Of the form's rate: 2,000/s in the full one."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Both in turn, round by round; each round has a deployment's board to itself, since the probe begins at zero."""
    sizes = ground.sizes
    rate = max(1.0, sizes.rate_per_s * SHARE_OF_RATE)
    measures = ("p50_ms", "p50_less_publishing_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
    found = {name: Way(name, {measure: [] for measure in measures}) for name in (SEEN, ACKNOWLEDGED, THROUGH)}
    for number in range(sizes.rounds + 1):
        grounded = await GatewayGround.made(ground, f"stream-{number}")
        seen = await _seen(ground, grounded, rate=rate)
        plan = ProducePlan(grounded.kafka, grounded.topic, rate, sizes.load_s, PARTITIONS, [VALUE])
        through = await apart("bench.baselines.kafka_through", plan, found=Latencies)
        if through.unanswered:
            raise Unanswered(f"{through.unanswered} records did not pass through Kafka")
        if number:
            for name, told in ((SEEN, seen.due), (ACKNOWLEDGED, seen.acknowledged), (THROUGH, through)):
                less = PUBLISHES_MS if name == ACKNOWLEDGED else 0.0
                values = msgspec.structs.asdict(told) | {"p50_less_publishing_ms": max(0.0, told.p50_ms - less)}
                for measure in measures:
                    found[name].measures[measure].append(values[measure])
    yield make_part(
        "stream", f"an action on the stream while others act at {rate:,.0f}/s",
        settings={"rate_per_s": rate, "seconds": sizes.load_s, "probes_per_s": PROBES_PER_S},
        ways=list(found.values()),
        asks=[
            Ask(measure="p50_less_publishing_ms", first=ACKNOWLEDGED, second=THROUGH, at_most=P50_BAR),
            Ask(measure="p99_ms", first=ACKNOWLEDGED, second=THROUGH, at_most=P99_BAR),
            Ask(measure="p99_ms", first=SEEN, second=THROUGH),
        ],
        notes=(f"the first ratio leaves {PUBLISHES_MS:g} ms out, two publish intervals",),
    )  # fmt: skip


async def _seen(ground: Ground, grounded: GatewayGround, *, rate: float) -> Seen:
    sizes, token = ground.sizes, grounded.token()
    async with AsyncExitStack() as running:
        gateway = await running.enter_async_context(grounded.gateway())
        await running.enter_async_context(grounded.service("shard_worker", SHARDBOARD_SHARD="s1"))
        await running.enter_async_context(grounded.service("merger"))
        requests = [post_request(gateway.url, "/actions", body=body, token=token) for body in bodies()]
        load = Plan(gateway.url, rate, sizes.load_s, sizes.connections, requests)
        probe = ProbePlan(gateway.url, token, PROBE_POINTS, PROBES_PER_S, sizes.load_s)
        loaded, seen = await asyncio.gather(run_apart(load), seen_apart(probe))
        if loaded.failed or loaded.unanswered:
            raise Unanswered(f"{loaded.failed} actions failed, {loaded.unanswered} stayed without an answer")
        return seen
