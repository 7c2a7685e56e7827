"""What an action costs a shard among ten thousand users and among millions, beside ZINCRBY on boards of the same sizes.

Users act in turn, so that no poll has anybody twice: summing a user's actions makes small boards cheap, and would
count against the worker here."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from redis.asyncio import Redis

from bench.actions import BEGIN_MS, InTurnWriter, people
from bench.apply_path import POLL_RECORDS, Side, serving
from bench.baselines.zincrby import chunks, increments, pipelined
from bench.ground import Ground
from bench.paired import measure
from bench.results import GROWTH, US, Ask, Curve, Part, Way, make_part
from contracts.ids import ShardId
from contracts.periods import PeriodCalendar
from shard_worker.redis_shard import ShardRedis

WORKER, NATIVE = "worker", "ZINCRBY, 128 pipelined"
BAR: Final = 1.15
MANY_PER_USER: Final = 10
MANY_MAX: Final = 2_000_000
FEW_OF_MANY: Final = 200
"""10,000 of 2,000,000."""


@dataclass(frozen=True, slots=True)
class _Size:
    """Both ways with so many users."""

    users: int
    worker: Side
    native_port: int
    boards: tuple[str, ...]
    log: InTurnWriter


async def run(ground: Ground) -> AsyncIterator[Part]:
    """All sizes in turn, round by round."""
    sizes = ground.sizes
    many = min(MANY_MAX, MANY_PER_USER * sizes.users)
    counts = (many // FEW_OF_MANY, many // FEW_OF_MANY * 10, many)
    found = {_name(way, users): Way(_name(way, users), {US: []}) for users in counts for way in (WORKER, NATIVE)}
    grown = {way: Way(way, {GROWTH: []}) for way in (WORKER, NATIVE)}
    async with AsyncExitStack() as running:
        grounds = [await _size(ground, running, users=users) for users in counts]
        for number in range(sizes.rounds + 1):
            costs = {size.users: await _round(size, records=sizes.records) for size in grounds}
            if not number:
                continue
            for users, cost in costs.items():
                for way, us in cost.items():
                    found[_name(way, users)].measures[US].append(us)
            for way in grown:
                grown[way].measures[GROWTH].append(costs[many][way] / costs[counts[0]][way])
    lines = {way: [(float(users), _name(way, users)) for users in counts] for way in (WORKER, NATIVE)}
    yield make_part(
        "growth", f"from {counts[0]:,} to {many:,} users",
        settings={"users": list(counts), "records": sizes.records, "boards": 1},
        ways=[*grown.values(), *found.values()],
        asks=[Ask(measure=GROWTH, first=WORKER, second=NATIVE, at_most=BAR)],
        curves=[Curve(over="users", measure=US, lines=lines)],
    )  # fmt: skip


async def _size(ground: Ground, running: AsyncExitStack, *, users: int) -> _Size:
    acting, calendar = people(users, zipf=None), PeriodCalendar("all_time")
    boards = calendar.span_at(BEGIN_MS).ids
    ours, native = [await running.enter_async_context(serving(ground.new_folder("growth"))) for _ in range(2)]
    worker = Side(ours, ShardRedis(ours, shard=ShardId("s1"), writer="bench"), calendar=calendar)
    await worker.claim()
    await worker.fill(acting, boards, seed=ground.seed)
    port = _port(native)
    await pipelined(port, chunks([(user, 1) for user in acting.users], boards))
    return _Size(users, worker, port, boards, InTurnWriter(acting, seed=ground.seed))


async def _round(size: _Size, *, records: int) -> dict[str, float]:
    """Microseconds of one action, by both ways."""
    polls = list(size.log.polls(records, poll_records=min(POLL_RECORDS, size.users)))
    ready = chunks(increments(polls), size.boards)
    return {
        WORKER: 1e6 / await measure(lambda: size.worker.run(polls), records),
        NATIVE: 1e6 / await measure(lambda: pipelined(size.native_port, ready), records),
    }


def _port(redis: Redis) -> int:
    return int(redis.connection_pool.connection_kwargs["port"])


def _name(way: str, users: int) -> str:
    return f"{way}, {users:,} users"
