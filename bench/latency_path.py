"""How long a client waits for its action's acknowledgement at a constant rate, beside Kafka and its client alone."""

from collections.abc import AsyncIterator
from typing import Final

from bench.baselines.produce_loop import ProducePlan, produce_apart
from bench.gateway_process import PARTITIONS, GatewayGround, bodies
from bench.ground import Ground
from bench.open_loop import Latencies, Plan, post_request, run_apart
from bench.results import Ask, Part, Way, make_part

GATEWAY, LOOP = "POST /actions", "produce and wait"
BAR: Final = 3.0
VALUE: Final = b"x" * 194
"""An action's bytes in the log, on average."""
MEASURES: Final = ("p50_ms", "p99_ms", "max_ms", "sent_late_p99_ms")


class Unanswered(Exception):
    """Requests failed or stayed without an answer: their latencies would be left out, so none are told."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """One rate, both ways in turn."""
    sizes = ground.sizes
    grounded = await GatewayGround.made(ground, "latency")
    token = grounded.token()
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
    yield make_part(
        "latency", f"POST at {sizes.rate_per_s:,}/s",
        settings={"rate_per_s": sizes.rate_per_s, "seconds": sizes.load_s, "connections": sizes.connections},
        ways=list(found.values()),
        asks=[
            Ask(measure="p99_ms", first=GATEWAY, second=LOOP, at_most=BAR),
            Ask(measure="p50_ms", first=GATEWAY, second=LOOP),
        ],
        notes=("latency counts from when a request was due, so that a stall is felt by all that come meanwhile",),
    )  # fmt: skip


def _check(name: str, latencies: Latencies) -> None:
    if latencies.failed or latencies.unanswered:
        raise Unanswered(f"{name}: {latencies.failed} failed, {latencies.unanswered} unanswered of {latencies.count}")
