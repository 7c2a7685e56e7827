"""Applying actions: the worker on its Redis, beside what exactly-once leaves out, and beside ZINCRBY alone."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import chain

from redis.asyncio import Redis

from bench.actions import BEGIN_MS, SAMPLE, ZIPF, LogWriter, Poll, people, people_of
from bench.apply_path import BARS, POLL_RECORDS, BareShard, Side, serving
from bench.baselines.zincrby import Increment, chunks, increments, one_at_a_time, pipelined
from bench.ground import Ground
from bench.measured import Measured, measured
from bench.results import CALLS, PER_S, Ask, Part, Way, make_part
from contracts.ids import PeriodId, ShardId
from contracts.periods import PeriodCalendar
from shard_worker.redis_shard import ShardRedis

OURS, BARE, NATIVE, ONE_BY_ONE = "worker", "worker, increments only", "ZINCRBY, 128 pipelined", "ZINCRBY, one at a time"
ONE_BOARD, THREE_BOARDS = "all_time", "all_time,daily,weekly"
NATIVE_BARS = {("uniform", 1): 0.75, ("zipf 1.2", 1): 1.2, ("zipf 1.2", 3): 1.2}
ONE_BY_ONE_BAR = 12.0
ONE_BY_ONE_SHARE = 10
"""Of so many records one is counted one by one: it takes long enough."""


async def run(ground: Ground) -> AsyncIterator[Part]:
    """Each distribution on one board and on three."""
    for periods in (ONE_BOARD, THREE_BOARDS):
        for kind in (*ground.sizes.distributions, *([SAMPLE] if ground.asked.sample else [])):
            if ground.asked.wants(_words(kind, periods)):
                yield await _case(ground, kind, periods=periods)


def _words(kind: str, periods: str) -> str:
    boards = periods.count(",") + 1
    return f"{kind}, {boards} board{'s' * (boards > 1)}"


async def _case(ground: Ground, kind: str, *, periods: str) -> Part:
    sizes, calendar = ground.sizes, PeriodCalendar(periods)
    boards = calendar.span_at(BEGIN_MS).ids
    acting = (
        people(sizes.users, zipf=ZIPF[kind])
        if kind != SAMPLE or ground.asked.sample is None
        else people_of(ground.asked.sample)
    )
    log = LogWriter(acting, seed=ground.seed)
    ways = {name: Way(name, {}) for name in (OURS, BARE, NATIVE, ONE_BY_ONE)}
    async with AsyncExitStack() as running:
        folder = ground.new_folder("apply")
        redis = [await running.enter_async_context(serving(folder / name)) for name in ("ours", "bare", "native")]
        ours = Side(redis[0], ShardRedis(redis[0], shard=ShardId("s1"), writer="bench"), calendar=calendar)
        bare = Side(redis[1], BareShard(redis[1], shard=ShardId("s1"), writer="bench"), calendar=calendar)
        await ours.claim()
        for side in (ours, bare):
            await side.fill(acting, boards, seed=ground.seed)
        native = _Native(redis[2], boards)
        pids = {name: await _pid(server) for name, server in zip((OURS, BARE, NATIVE), redis, strict=True)}
        await native.fill(acting.users)
        for number in range(sizes.rounds + 1):
            polls = list(log.polls(sizes.records, poll_records=POLL_RECORDS))
            before = await _calls(redis[0])
            found = await _round(ours, bare, native=native, polls=polls, pids=pids)
            if number:
                for name, values in found.items():
                    values.into(ways[name].measures)
                calls = (await _calls(redis[0]) - before) / sum(map(len, polls))
                ways[OURS].measures.setdefault(CALLS, []).append(calls)
    asks = [
        Ask(measure=PER_S, first=OURS, second=BARE, at_least=BARS.get((kind, len(boards)))),
        Ask(measure=PER_S, first=OURS, second=NATIVE, at_least=NATIVE_BARS.get((kind, len(boards)))),
        Ask(measure=PER_S, first=OURS, second=ONE_BY_ONE, at_least=ONE_BY_ONE_BAR if len(boards) == 1 else None),
    ]
    asks.append(Ask(measure=CALLS, first=OURS, at_most=1.0))
    words = _words(kind, periods)
    settings = {"users": len(acting.users), "records": sizes.records, "boards": len(boards), "users_are": kind}
    return make_part("apply", words, settings=settings, ways=list(ways.values()), asks=asks)


class _Native:
    """A server that only knows ZINCRBY."""

    def __init__(self, redis: Redis, boards: Sequence[PeriodId]) -> None:
        self.redis = redis
        self.boards = boards
        self.port = int(redis.connection_pool.connection_kwargs["port"])

    async def fill(self, users: Sequence[str]) -> None:
        """Every user has a score on every board."""
        await pipelined(self.port, chunks([(user, 1) for user in users], self.boards))


async def _round(
    ours: Side, bare: Side, *, native: _Native, polls: Sequence[Poll], pids: Mapping[str, int]
) -> dict[str, Measured]:
    found: list[Increment] = increments(polls)
    few, ready = found[: max(1, len(found) // ONE_BY_ONE_SHARE)], chunks(found, native.boards)
    assert sum(map(len, chain.from_iterable(poll.values() for poll in polls))) == len(found)
    return {
        OURS: await measured(lambda: ours.run(polls), len(found), pids=[pids[OURS]]),
        BARE: await measured(lambda: bare.run(polls), len(found), pids=[pids[BARE]]),
        NATIVE: await measured(lambda: pipelined(native.port, ready), len(found), pids=[pids[NATIVE]]),
        ONE_BY_ONE: await measured(
            lambda: one_at_a_time(native.redis, few, boards=native.boards), len(few), pids=[pids[NATIVE]]
        ),
    }


async def _pid(redis: Redis) -> int:
    return int((await redis.info("server"))["process_id"])


async def _calls(redis: Redis) -> int:
    """How many apply calls, and calls of any function, the server has carried out."""
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_fcall", {"calls": 0})["calls"])
