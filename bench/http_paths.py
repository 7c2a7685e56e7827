"""The gateway's POST and GET, one process each, as fast as they are answered: against the least that the same
server can do, and what tutorials of its libraries show. `wrk` sends; CPU time is that of the measured process alone."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Final
from urllib.request import urlopen

from redis.asyncio import Redis

from bench.cpu_time import cpu_s
from bench.gateway_process import ELSEWHERE, GatewayGround, Served, bodies
from bench.ground import Ground
from bench.results import COUNT, CPU_US, PER_S, Ask, Part, Way, make_part
from bench.rivals import NAKAMA, PODIUM, rivals
from bench.wrk import Requests, rate

GATEWAY, CONSTANT, TEXTBOOK, PLAIN = "gateway", "constant bytes", "textbook route", "plain ZSET board"
CACHE_CALLS: Final = "calls of the gateway's cache"
NOT_FOR_A_READ: Final = ("xread", "zrevrange", "info", "hello", "client|setinfo", "ping")
BOARD: Final = "/leaderboard?period=all_time&limit=10"
ACKNOWLEDGED: Final = (
    "gateway and textbook route answer when Kafka has the action (acks=all), the plain ZSET board when one Redis does"
)
POST_BAR, TEXTBOOK_BAR, GET_BAR = 0.55, 7.0, 0.85
RIVAL_BARS: Final = {PODIUM: 2.5, NAKAMA: 4.0}


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
        sent = dict.fromkeys(served, requests)
        for name, (url, writes) in (await rivals(ground.asked)).items():
            served[name], sent[name] = Served(url, ELSEWHERE), writes
        ways = await in_turn(ground, served, requests=sent)
    asks = [
        Ask(measure=PER_S, first=GATEWAY, second=CONSTANT, at_least=POST_BAR),
        Ask(measure=PER_S, first=GATEWAY, second=TEXTBOOK, at_least=TEXTBOOK_BAR),
        Ask(measure=PER_S, first=GATEWAY, second=PLAIN),
        Ask(measure=CPU_US, first=GATEWAY, second=CONSTANT),
        *(
            Ask(measure=PER_S, first=GATEWAY, second=name, at_least=RIVAL_BARS[name])
            for name in sent
            if name in RIVAL_BARS
        ),
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
        calls = await _calls(grounded.cache) - before
        ways.append(Way(CACHE_CALLS, {COUNT: [float(calls)] * ground.sizes.rounds}))
    asks = [
        Ask(measure=PER_S, first=GATEWAY, second=CONSTANT, at_least=GET_BAR),
        Ask(measure=COUNT, first=CACHE_CALLS, at_most=0.0),
        Ask(measure=PER_S, first=GATEWAY, second=PLAIN),
        Ask(measure=CPU_US, first=GATEWAY, second=CONSTANT),
    ]
    reads = f"{answered[GATEWAY]:,} boards were read from the gateway in all rounds together"
    notes = (f"{reads}; calls of its cache are all but the waiting for changes; no Postgres is set",)
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
    sizes = ground.sizes
    found = {
        name: Way(name, {PER_S: []} if server.pid == ELSEWHERE else {PER_S: [], CPU_US: []})
        for name, server in served.items()
    }
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
            if not number:
                continue
            found[name].measures[PER_S].append(per_s)
            if server.pid != ELSEWHERE:
                found[name].measures[CPU_US].append((cpu_s([server.pid]) - before_s) * 1e6 / count)
    return list(found.values())


def _read(url: str) -> str:
    with urlopen(url, timeout=10) as answer:  # noqa: S310  our own gateway
        body: str = answer.read().decode()
    assert json.loads(body)["entries"], "the board must be there"
    return body


async def _calls(url: str) -> int:
    """How many commands the server has carried out: not those of the plain board, of waiting, and of asking this."""
    async with Redis.from_url(url) as redis:
        stats: dict[str, dict[str, int]] = await redis.info("commandstats")
    return sum(found["calls"] for name, found in stats.items() if name.removeprefix("cmdstat_") not in NOT_FOR_A_READ)
