"""The gateway's POST and GET, one process each, as fast as they are answered: against the least that the same
server can do, and what tutorials of its libraries show. `wrk` sends; CPU time is that of the measured process alone."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Final
from urllib.request import urlopen

from redis.asyncio import Redis

from bench.cpu_time import cpu_s
from bench.gateway_process import GatewayGround, Served, bodies
from bench.ground import Ground
from bench.results import CPU_US, PER_S, Ask, Part, Way, make_part
from bench.wrk import Requests, rate

GATEWAY, CONSTANT, TEXTBOOK, PLAIN = "gateway", "constant bytes", "textbook route", "plain ZSET board"
BOARD: Final = "/leaderboard?period=all_time&limit=10"
ACKNOWLEDGED: Final = (
    "gateway and textbook route answer when Kafka has the action (acks=all), the plain ZSET board when one Redis does"
)
POST_BAR, TEXTBOOK_BAR, GET_BAR = 0.55, 7.0, 0.85


async def run_post(ground: Ground) -> AsyncIterator[Part]:
    """Durable and authenticated actions."""
    grounded = await GatewayGround.made(ground, "post")
    requests = Requests("/actions", tuple(bodies()), grounded.token())
    async with AsyncExitStack() as running:
        served = {
            GATEWAY: await running.enter_async_context(grounded.gateway()),
            CONSTANT: await running.enter_async_context(grounded.baseline("constant", BENCH_STATUS="201")),
            TEXTBOOK: await running.enter_async_context(grounded.baseline("textbook")),
            PLAIN: await running.enter_async_context(grounded.baseline("plain-zset")),
        }
        ways = await in_turn(ground, served, requests=dict.fromkeys(served, requests))
    asks = [
        Ask(measure=PER_S, first=GATEWAY, second=CONSTANT, at_least=POST_BAR),
        Ask(measure=PER_S, first=GATEWAY, second=TEXTBOOK, at_least=TEXTBOOK_BAR),
        Ask(measure=PER_S, first=GATEWAY, second=PLAIN),
        Ask(measure=CPU_US, first=GATEWAY, second=CONSTANT),
    ]
    notes = (ACKNOWLEDGED,)
    settings = {"connections": ground.sizes.connections, "seconds": ground.sizes.load_s}
    yield make_part("post", "POST /actions", settings=settings, ways=ways, asks=asks, notes=notes)


async def run_get(ground: Ground) -> AsyncIterator[Part]:
    """The top ten, and that nobody is asked for it."""
    grounded = await GatewayGround.made(ground, "get")
    async with AsyncExitStack() as running:
        gateway = await running.enter_async_context(grounded.gateway())
        body = _read(gateway.url + BOARD)
        served = {
            GATEWAY: gateway,
            CONSTANT: await running.enter_async_context(grounded.baseline("constant", BENCH_BODY=body)),
            PLAIN: await running.enter_async_context(grounded.baseline("plain-zset")),
        }
        before = await _calls(grounded.cache)
        answered: dict[str, int] = {}
        asked = dict.fromkeys(served, Requests(BOARD))
        ways = await in_turn(ground, served, requests=asked, answered=answered)
        calls = await _calls(grounded.cache) - before - answered[PLAIN]
    asks = [
        Ask(measure=PER_S, first=GATEWAY, second=CONSTANT, at_least=GET_BAR),
        Ask(measure=PER_S, first=GATEWAY, second=PLAIN),
        Ask(measure=CPU_US, first=GATEWAY, second=CONSTANT),
    ]
    reads = f"{answered[GATEWAY]:,} boards were read from the gateway while its cache got {max(0, calls):,} calls"
    notes = (f"{reads} of any kind: those of following the boards, none for a request",)
    settings = {"connections": ground.sizes.connections, "seconds": ground.sizes.load_s, "bytes": len(body)}
    yield make_part("get", "GET /leaderboard, top 10", settings=settings, ways=ways, asks=asks, notes=notes)


async def in_turn(
    ground: Ground,
    served: Mapping[str, Served],
    *,
    requests: Mapping[str, Requests],
    answered: dict[str, int] | None = None,
) -> list[Way]:
    """Each server with its own requests, round by round, one after the other; the first round warms up. `answered` is
    given how many answers there were."""
    sizes, found = ground.sizes, {name: Way(name, {PER_S: [], CPU_US: []}) for name in served}
    for number in range(sizes.rounds + 1):
        for name, server in served.items():
            before_s = cpu_s([server.pid])
            per_s, count = await rate(
                server.url,
                requests[name],
                connections=sizes.connections,
                load_s=sizes.load_s,
                folder=ground.new_folder("wrk"),
            )
            if answered is not None:
                answered[name] = answered.get(name, 0) + count
            if number:
                found[name].measures[PER_S].append(per_s)
                found[name].measures[CPU_US].append((cpu_s([server.pid]) - before_s) * 1e6 / count)
    return list(found.values())


def _read(url: str) -> str:
    with urlopen(url, timeout=10) as answer:  # noqa: S310  our own gateway
        body: str = answer.read().decode()
    assert json.loads(body)["entries"], "the board must be there"
    return body


async def _calls(url: str) -> int:
    """How many commands the server has carried out."""
    async with Redis.from_url(url) as redis:
        return int((await redis.info("stats"))["total_commands_processed"])
