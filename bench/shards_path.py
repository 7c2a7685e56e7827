"""One shard or eight: how soon an action is on the live stream at the same rate, and how fast all shards together
work off one log."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from typing import Final

from bench.actions import People
from bench.gateway_process import bodies
from bench.ground import Ground
from bench.latency_path import Unanswered
from bench.open_loop import Latencies, Plan, post_request, run_apart
from bench.rebuild_path import RECORDS, acting_as, filled
from bench.results import PER_S, Ask, Curve, Part, Way, make_part
from bench.stream_path import PROBE_POINTS, PROBES_PER_S
from bench.stream_probe import ProbePlan, seen_apart
from bench.whole import PARTITIONS, progress_of, start_rest, start_workers, whole
from contracts.clock import monotonic_s

BAR: Final = 1.25
SHARE_OF_RATE: Final = 0.1
"""Of the form's rate: what a shard costs is to be seen, not what two processors do when ten processes fill them."""
MEASURES: Final = ("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms")
ONE_MACHINE: Final = "all shards are on one machine: a worker and its Redis fill a processor and a half"
LEASE_MS: Final = 60_000
"""Longer than the log is written: who is stopped for longer than its lease begins anew."""
LATENCY, THROUGHPUT = "an action on the stream", "one log applied by all shards together"


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Latency, where the bar is, then throughput."""
    if ground.asked.wants(LATENCY):
        yield await _latency(ground)
    if ground.asked.wants(THROUGHPUT):
        yield await _throughput(ground)


async def _latency(ground: Ground) -> Part:
    sizes, rate = ground.sizes, max(1.0, ground.sizes.rate_per_s * SHARE_OF_RATE)
    counts = sizes.shards
    found = {shards: Way(_name(shards), {measure: [] for measure in MEASURES}) for shards in counts}
    for number in range(sizes.rounds + 1):
        for shards in counts:
            told = await _seen(ground, shards, rate=rate)
            if number:
                for measure in MEASURES:
                    found[shards].measures[measure].append(getattr(told, measure))
    few, many = _name(counts[0]), _name(counts[-1])
    return make_part(
        "shards", f"{LATENCY} while others act at {rate:,.0f}/s",
        settings={"rate_per_s": rate, "seconds": sizes.load_s, "partitions": PARTITIONS},
        ways=list(found.values()),
        asks=[
            Ask(measure="p50_ms", first=many, second=few, at_most=BAR),
            Ask(measure="p99_ms", first=many, second=few),
        ],
        curves=[Curve(over="shards", measure="p50_ms", lines=_line("from the 201 to the stream, median", counts))],
    )  # fmt: skip


async def _throughput(ground: Ground) -> Part:
    sizes, kind = ground.sizes, ground.sizes.distributions[0]
    acting, records, counts = acting_as(ground, kind), RECORDS * sizes.records, sizes.shards
    found = {shards: Way(_name(shards), {PER_S: []}) for shards in counts}
    for number in range(sizes.rounds + 1):
        for shards in counts:
            seconds = await _applied_s(ground, shards, acting=acting, records=records)
            if number:
                found[shards].measures[PER_S].append(records / seconds)
    return make_part(
        "shards", f"{THROUGHPUT}, {kind}, 1 board",
        settings={"users": len(acting.users), "records": records, "partitions": PARTITIONS, "users_are": kind},
        ways=list(found.values()),
        asks=[Ask(measure=PER_S, first=_name(counts[-1]), second=_name(counts[0]))],
        notes=(ONE_MACHINE,),
        curves=[Curve(over="shards", measure=PER_S, lines=_line("all shards together", counts))],
    )  # fmt: skip


async def _applied_s(ground: Ground, shards: int, *, acting: People, records: int) -> float:
    """Workers that are ready are stopped while the log is written, and go on with all of it at the same moment."""
    environ = {"SHARDBOARD_PERIODS": "all_time", "SHARDBOARD_LEASE_MS": str(LEASE_MS)}
    async with whole(ground, "throughput", shards=shards, environ=environ) as (deployment, running):
        await start_workers(deployment, running)
        pids = [worker.pid for worker in deployment.workers.values()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            await filled(ground, deployment, acting=acting, records=records)
        finally:
            began_s = monotonic_s()
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        async with progress_of(deployment) as progress:
            return await progress.until(records) - began_s


async def _seen(ground: Ground, shards: int, *, rate: float) -> Latencies:
    """From an action's acknowledgement to its being on the stream, in a new deployment."""
    sizes = ground.sizes
    async with whole(ground, f"shards-{shards}", shards=shards) as (deployment, running):
        await start_workers(deployment, running)
        await start_rest(deployment, running)
        assert deployment.gateway is not None
        url, token = deployment.gateway.url, deployment.grounded.token()
        requests = [post_request(url, "/actions", body=body, token=token) for body in bodies()]
        load = Plan(url, rate, sizes.load_s, sizes.connections, requests)
        probe = ProbePlan(url, token, PROBE_POINTS, PROBES_PER_S, sizes.load_s)
        loaded, seen = await asyncio.gather(run_apart(load), seen_apart(probe))
    if loaded.failed or loaded.unanswered:
        raise Unanswered(f"{loaded.failed} actions failed, {loaded.unanswered} stayed without an answer")
    return seen.acknowledged


def _name(shards: int) -> str:
    return f"{shards} shard{'s' * (shards > 1)}"


def _line(name: str, counts: Sequence[int]) -> dict[str, list[tuple[float, str]]]:
    return {name: [(float(shards), _name(shards)) for shards in counts]}
