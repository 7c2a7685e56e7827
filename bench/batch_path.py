"""POST /actions/batch of a hundred actions beside POST /actions of one, at the same gateway and from the same sender.
In the end the log must hold every action that was answered for."""

from collections.abc import AsyncIterator
from typing import Final

from aiokafka import TopicPartition

from bench.gateway_process import PARTITIONS, GatewayGround, bodies
from bench.ground import Ground
from bench.http_paths import in_turn
from bench.results import CPU_US, PER_S, Ask, Part, Way, make_part
from bench.wrk import Requests
from foundation.kafka_consumer import log_consumer, read_ends, start_consumer, stop_consumer

BATCH, SINGLE = "batches of 100", "one by one"
ACTIONS: Final = 100
"""In a batch."""
BAR: Final = 8.0


class ActionsLost(Exception):
    """Batches were answered, and not all of their actions recorded; the message says how many."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """One gateway; rates and costs are those of an action."""
    sizes, grounded = ground.sizes, await GatewayGround.made(ground, "batch")
    # All that may be under way at once, two batches for each connection: none is refused.
    grounded.environ["SHARDBOARD_PENDING_ACTIONS_MAX"] = str(max(20_000, 2 * sizes.connections * ACTIONS))
    token, answered = grounded.token(), dict[str, int]()
    requests = {
        BATCH: Requests("/actions/batch", batches(), token),
        SINGLE: Requests("/actions", tuple(bodies()), token),
    }
    async with grounded.gateway() as gateway:
        found = await in_turn(ground, {BATCH: gateway, SINGLE: gateway}, requests=requests, answered=answered)
    wanted, recorded = answered[BATCH] * ACTIONS + answered[SINGLE], await _recorded(grounded)
    if recorded < wanted:
        raise ActionsLost(f"{wanted:,} actions were answered for, {recorded:,} are in the log")
    yield make_part(
        "batch", f"POST /actions/batch of {ACTIONS}",
        settings={"connections": sizes.connections, "seconds": sizes.load_s, "actions": ACTIONS},
        ways=[_per_action(way) for way in found],
        asks=[
            Ask(measure=PER_S, first=BATCH, second=SINGLE, at_least=BAR),
            Ask(measure=CPU_US, first=BATCH, second=SINGLE),
        ],
        notes=(f"{wanted:,} actions were answered for, the log got as many; figures are those of one action",),
    )  # fmt: skip


def batches() -> tuple[bytes, ...]:
    """Of all users, as many as make whole ones."""
    each = bodies()
    firsts = range(0, len(each) - ACTIONS + 1, ACTIONS)
    return tuple(b'{"actions":[' + b",".join(each[first : first + ACTIONS]) + b"]}" for first in firsts)


def _per_action(way: Way) -> Way:
    if way.name != BATCH:
        return way
    rates, costs = way.measures[PER_S], way.measures[CPU_US]
    return Way(way.name, {PER_S: [rate * ACTIONS for rate in rates], CPU_US: [cost / ACTIONS for cost in costs]})


async def _recorded(grounded: GatewayGround) -> int:
    consumer = log_consumer(grounded.kafka, fetch_wait_ms=100)
    await start_consumer(consumer)
    try:
        ends = await read_ends(consumer, [TopicPartition(grounded.topic, number) for number in range(PARTITIONS)])
    finally:
        await stop_consumer(consumer)
    return sum(ends.values())
