"""The worker's apply path as it is, against the same one without fence, offset and ids: two servers, the same log.

Both sides decode, fold and pipeline alike, and both write scores and their times. What the second side leaves out is
what exactly-once costs: the check of owner and position, looking ids up in two windows, writing them and the position.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from bench.actions import BEGIN_MS, PARTITIONS, LogWriter, People, Poll, people
from bench.paired import Comparison, measure
from contracts import redis_keys
from contracts.counting import CountingRules, window_of
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId
from contracts.periods import PeriodCalendar, SpanCache
from foundation.redis_connect import connect
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Batch, DeadRecord, Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.redis_applier import Applier, RoundResult
from shard_worker.redis_shard import ApplyCall, ShardRedis, library_code
from shard_worker.redis_top_reader import TopReader
from shard_worker.replies import ApplyReply, parse_apply
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer

BARS: Final = {("uniform", 1): 0.75, ("zipf 1.2", 1): 0.55}
"""Least ratio by users and number of boards. One board is the hardest case: the ids weigh the same beside less work."""
POLL_RECORDS: Final = 10_000
"""As the worker's setting."""
SHOWN: Final = 100
RULES: Final = CountingRules()
EPOCH: Final = Epoch(1)
CHUNK: Final = 5_000
"""Members of one command while a server is filled."""
_INCREMENT: Final = "bench_increment"
_BARE_FUNCTION: Final = """
redis.register_function('bench_increment', function(keys, args)
  local body = cmsgpack.unpack(args[1])
  local state = State.new(keys[1], cmsgpack.unpack(args[2]))
  run_segments(state, body.segments)
  state:flush(body.names)
  return { 'OK', cmsgpack.pack(state.rows), cmsgpack.pack({}) }
end)
"""


def bare_library() -> str:
    """The worker's own library with one other function, which writes the scores and nothing else."""
    code, renamed = re.subn(r"\A#!lua name=\w+", "#!lua name=shardboard_bench", library_code())
    code, left_out = re.subn(r"^redis\.register_function\(.*\)$", "", code, flags=re.MULTILINE)
    assert renamed == 1, "the library begins with its name"
    assert left_out > 0, "its functions are registered line by line"
    return code + _BARE_FUNCTION


class BareShard(ShardRedis):
    """Applies without asking who calls, from where, and what it has seen."""

    async def load_functions(self) -> None:
        """Make the server know the function."""
        await self._redis.function_load(bare_library(), replace=True)

    async def apply(self, calls: Sequence[ApplyCall]) -> list[ApplyReply]:
        """As the worker's, in one round trip."""
        raws = await self._call_all(
            [
                (
                    _INCREMENT,
                    redis_keys.partition_prefix(call.batch.partition),
                    (call.batch.body, msgspec.msgpack.encode(call.floors)),
                )
                for call in calls
            ]
        )
        return [parse_apply(raw) for raw in raws]


class Side:
    """One worker's hot loop on one server."""

    def __init__(self, redis: Redis, shard: ShardRedis, *, calendar: PeriodCalendar) -> None:
        self.redis: Any = redis
        self.shard = shard
        self._folder = Folder(RULES, SpanCache(calendar))
        self._top = LocalTop(shown=SHOWN)
        self._applier = Applier(shard, self._folder, top=self._top, divert=_no_dead, breaker=DeadBreaker())
        self._epochs = {Partition(p): EPOCH for p in range(PARTITIONS)}
        self._positions = {p: Position(Offset(0), LogMs(0)) for p in self._epochs}

    async def claim(self) -> None:
        """Become the writer of every partition, which then is empty."""
        await self.shard.load_functions()
        for partition in self._epochs:
            await self.shard.claim(partition, EPOCH, begin=Offset(0))

    async def fill(self, acting: People, periods: Sequence[PeriodId], *, seed: int) -> None:
        """Every user has a score on every board, and the window before the first is as full as there are users."""
        for partition in self._epochs:
            users = acting.of_partition(partition)
            for first in range(0, len(users), CHUNK):
                await self._fill_chunk(partition, users[first : first + CHUNK], periods=periods, seed=seed + first)
        reader = TopReader(self.redis)
        for period in periods:
            rows, is_cut = await reader.top(period, list(self._epochs), count=self._top.tracked)
            self._top.replace(period, rows, is_cut=is_cut)
        self._top.settle()
        await self.redis.config_set("auto-aof-rewrite-percentage", 0)  # a fork would fall into one side's round

    async def _fill_chunk(
        self, partition: Partition, users: Sequence[str], *, periods: Sequence[PeriodId], seed: int
    ) -> None:
        scores = {user: 1 + (seed + 7 * n) % 1_000 for n, user in enumerate(users)}
        before = redis_keys.seen(partition, _window_before())
        async with self.redis.pipeline(transaction=False) as pipe:
            for period in periods:
                pipe.zadd(redis_keys.scores(partition, period), scores)
                pipe.hset(redis_keys.scored_at(partition, period), mapping=dict.fromkeys(users, BEGIN_MS - 1))
            pipe.sadd(before, *(b"%016d" % (seed + n) for n in range(len(users))))
            await pipe.execute()

    async def run(self, polls: Sequence[Poll]) -> None:
        """Apply everything, the next poll being decoded while Redis works, as `redis_session.Session.follow` does."""
        flight: asyncio.Task[RoundResult] | None = None
        for poll in polls:
            batches = await self._fold(poll)
            if flight is not None:
                self._land(await flight)
            flight = asyncio.create_task(self._applier.run(batches, self._epochs))
            await asyncio.sleep(0)
        if flight is not None:
            self._land(await flight)

    async def _fold(self, poll: Poll) -> list[Batch]:
        batches: list[Batch] = []
        for partition, records in poll.items():
            folded = self._folder.fold_all(partition, records, before=self._positions[partition])
            self._positions[partition] = folded[-1].after
            batches += folded
            await asyncio.sleep(0)
        return batches

    def _land(self, result: RoundResult) -> None:
        assert not result.refused, result.refused
        assert not result.repeats, "every id is new"
        self._top.settle()

    async def scores(self, period: PeriodId, partition: Partition, *, users: Sequence[str]) -> list[float]:
        """What users have on a board."""
        found: list[float] = await self.redis.zmscore(redis_keys.scores(partition, period), list(users))
        return found


async def compare_apply(
    folder: Path, *, users: int, records: int, rounds: int, seed: int, periods: str, zipf: float | None
) -> Comparison:
    """One case. Raises AssertionError when the two sides did not do the same work."""
    kind = "uniform" if zipf is None else f"zipf {zipf}"
    calendar = PeriodCalendar(periods)
    boards = calendar.span_at(BEGIN_MS).ids
    acting = people(users, zipf=zipf)
    case = f"apply · {kind} over {users:,} users · {len(boards)} board{'s' * (len(boards) > 1)}"
    compared = Comparison(case, BARS.get((kind, len(boards))), ("exactly once", "increments only"))
    log = LogWriter(acting, seed=seed)
    async with serving(folder / "exact") as exact_redis, serving(folder / "bare") as bare_redis:
        exact = Side(exact_redis, ShardRedis(exact_redis, shard=ShardId("s1"), writer="bench"), calendar=calendar)
        bare = Side(bare_redis, BareShard(bare_redis, shard=ShardId("s1"), writer="bench"), calendar=calendar)
        await exact.claim()
        for side in (exact, bare):
            await side.fill(acting, boards, seed=seed)
        for n in range(rounds + 1):
            polls = list(log.polls(records, poll_records=POLL_RECORDS))
            rates = [await measure(lambda side=side: side.run(polls), records) for side in (exact, bare)]  # type: ignore[misc]  # noqa: B023
            if n > 0:  # the first round warms up
                for rounds_per_s, rate in zip(compared.per_s, rates, strict=True):
                    rounds_per_s.append(rate)
        await _check(exact, bare, acting=acting, boards=boards, records=records * (rounds + 1))
    return compared


async def _check(exact: Side, bare: Side, *, acting: People, boards: Sequence[PeriodId], records: int) -> None:
    counted = 0
    for p in range(PARTITIONS):
        partition = Partition(p)
        progress = await exact.shard.progress(partition)
        assert progress is not None
        counted += progress.counted
        some = acting.of_partition(partition)[:1_000]
        for period in boards:
            assert await exact.scores(period, partition, users=some) == await bare.scores(period, partition, users=some)
    assert counted == records, (counted, records)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Redis]:
    """A client of a new server."""
    server = ValkeyServer(folder, port=free_ports(1)[0], name="valkey")
    await server.start()
    try:
        client = connect(server.address, socket_timeout_s=60)
        yield client
        await client.aclose()
    finally:
        await server.stop(grace_s=0)


def _window_before() -> Any:
    return window_of(LogMs(BEGIN_MS), RULES) - 1


async def _no_dead(dead: Sequence[DeadRecord]) -> None:
    raise AssertionError(dead)
