"""Makers of one partition beside one another, on real Valkey and Redis 7, step by step in any order.

Workers claim, restore, apply, freeze and are replaced; the server goes back, or loses everything. Whatever is owned
must be a true prefix of the log, and once the faults stop the partition is whole. Without one of the protocol's checks
the same search finds a state that is not: each of them is needed, and the search would notice."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.periods import PeriodCalendar, SpanCache
from contracts.progress import State
from contracts.record import ActionRecord, encode
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.redis_applier import Applier
from shard_worker.redis_restore import PartitionMaker, make
from shard_worker.redis_restore_rows import Chunk, Word
from shard_worker.redis_shard import ShardRedis, library_code
from shard_worker.replies import Absent, Claimed, InState
from shard_worker.restore_steps import Attempt, Cause, Event, Loss, Start
from tests.support.apply_model import LogRecord
from tests.support.histories import RULES, START_MS

P: Final = Partition(3)
E: Final = Epoch(1)
ALL_TIME: Final = PeriodId("all_time")
USERS: Final = ("a", "b", "c")
STEPS: Final = 45
SAVES_KEPT: Final = 8
CALL_US_MAX: Final = 20_000
"""Nobody else is served meanwhile."""
UNLINKED: Final = "    redis.call('UNLINK', key)\n  end\n  redis.call('HSET', prefix .. 'progress', 'owner',"
MUTANTS: Final = {
    "a chunk of anybody is taken": ("raw[1] == state and raw[2] == token and", "raw[1] == state and"),
    "chunks are not counted": ("and tonumber(raw[3]) == tonumber(chunks)", ""),
    "owned without being whole": ("if not is_maker(prefix, args[1], args[2], args[3]) or read", "if read"),
    "a wipe leaves what was there": (UNLINKED, UNLINKED.replace("redis.call('UNLINK', key)", "")),
}


class Untrue(Exception):
    """What is owned is no prefix of the log."""


class Worker:
    """One process: idle, following from a position, or in the middle of a restore."""

    def __init__(self, sim: "Sim") -> None:
        sim.writers += 1
        self.shard = ShardRedis(sim.redis, shard=ShardId("s1"), writer=f"w{sim.writers}")
        self.position: Position | None = None
        self.restore: AsyncIterator[Attempt] | None = None


class Sim:
    """The log, the archive behind it, the server's past, and every worker that ever was."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.rng = random.Random(seed)
        self.redis: Any = redis
        self.log: list[LogRecord] = []
        self.archived = 0
        self.writers = 0
        self.saves: list[dict[bytes, bytes]] = []
        self.workers = [Worker(self)]
        self.folder = Folder(RULES, SpanCache(PeriodCalendar("all_time")))
        self.hits: Counter[str] = Counter()

    async def run(self) -> None:
        await self.redis.delete(*[key async for key in self.redis.scan_iter(match="lb:{3}:*")] or ["none"])
        for _ in range(STEPS):
            await self._something()
            await self._check()
            self.saves = [*self.saves, await self._dump()][-SAVES_KEPT:]
        await self._settle()

    async def _settle(self) -> None:
        """The faults stop: the newest worker alone makes the partition whole."""
        self.workers = self.workers[-1:]
        for _ in range(40):
            await self._step(self.workers[0])
            await self._check()
        progress = await self.workers[0].shard.progress(P)
        assert progress is not None
        if (progress.state, progress.next_offset) != (State.OWNED, len(self.log)):
            raise Untrue(f"stuck at {progress}, the log ends at {len(self.log)}")

    async def _something(self) -> None:
        chance = self.rng.random()
        if chance < 0.15:
            self._append()
        elif chance < 0.80:
            await self._step(self.rng.choice(self.workers))
        elif chance < 0.87 and self.saves:
            await self._go_back(self.rng.choice(self.saves))
        elif chance < 0.90:
            await self._go_back({})
        elif chance < 0.94:
            self.workers = [*self.workers, Worker(self)][-3:]
        else:
            await self._give_up(self.rng.choice(self.workers))

    def _append(self) -> None:
        offset, user = len(self.log), self.rng.choice(USERS)
        record = ActionRecord(v=1, id=ActionId(f"i{offset}"), user_id=UserId(user), received_at=START_MS, action="c",
                              points=1, at=START_MS)  # fmt: skip
        self.log.append(LogRecord(offset, START_MS + offset, user.encode(), encode(record)))
        self.archived = max(self.archived, len(self.log) - self.rng.randint(0, 3))

    async def _step(self, worker: Worker) -> None:
        if worker.restore is not None:
            attempt = await anext(worker.restore, None)
            self.hits[attempt.step.value if attempt else "over"] += 1
            if attempt is None or attempt.is_over:
                worker.restore = None
        elif worker.position is not None:
            await self._apply(worker, worker.position)
        else:
            reply = await worker.shard.claim(P, E, begin=None)
            if isinstance(reply, Claimed):
                worker.position = Position(reply.next_offset, reply.log_ms)
            elif isinstance(reply, Absent | InState):
                worker.restore = self._restore(worker, Loss(Cause.ABSENT))

    async def _give_up(self, worker: Worker) -> None:
        if worker.position is not None:
            given_up, worker.position = worker.position.next_offset, None
            worker.restore = self._restore(worker, Loss(Cause.ASKED, given_up=given_up))

    def _restore(self, worker: Worker, loss: Loss) -> AsyncIterator[Attempt]:
        at = self.archived
        totals = self._truth(at)
        log_ms = LogMs(START_MS + at - 1 if at else 0)

        async def chunks() -> AsyncIterator[list[Chunk]]:
            for user in self.rng.sample(sorted(totals), len(totals)):
                yield [Chunk("zset", f"scores:{ALL_TIME}", [totals[user], user])]

        maker = PartitionMaker(worker.shard, P, epoch=E, shard_id=ShardId("s1"))
        start = Start(Offset(at), log_ms, None, at, at)
        return make(maker, loss, attempt=Attempt().after(Event.PLANNED), start=start, chunks=chunks())

    async def _apply(self, worker: Worker, position: Position) -> None:
        records = self.log[position.next_offset : position.next_offset + self.rng.randint(1, 2)]
        if not records:
            stored = await worker.shard.progress(P)
            if stored is None or stored.next_offset < position.next_offset:
                worker.position = None  # as a session's watch finds out
            return
        applier = Applier(worker.shard, self.folder, top=LocalTop(shown=2), divert=_no_letters, breaker=DeadBreaker())
        batches = self.folder.fold_all(P, records, before=position)
        result = await applier.run(batches, {P: E})
        worker.position = None if result.refused else batches[-1].after
        self.hits["refused" if result.refused else "applied"] += 1

    def _truth(self, offset: int) -> Counter[str]:
        return Counter((record.key or b"").decode() for record in self.log[:offset])

    async def _check(self) -> None:
        progress = await self.workers[0].shard.progress(P)
        if progress is None or progress.state is not State.OWNED:
            return
        pairs = await self.redis.zrange(redis_keys.scores(P, ALL_TIME), 0, -1, withscores=True)
        scores = {user.decode(): int(score) for user, score in pairs}
        if scores != self._truth(progress.next_offset):
            raise Untrue(f"at offset {progress.next_offset}: {scores}, true is {self._truth(progress.next_offset)}")

    async def _dump(self) -> dict[bytes, bytes]:
        return {key: await self.redis.dump(key) async for key in self.redis.scan_iter(match="lb:{3}:*")}

    async def _go_back(self, saved: dict[bytes, bytes]) -> None:
        self.hits["went back"] += 1
        for key in [key async for key in self.redis.scan_iter(match="lb:{3}:*")]:
            await self.redis.delete(key)
        for key, value in saved.items():
            await self.redis.restore(key, 0, value)


async def _no_letters(dead: Any) -> None:
    assert not dead


async def test_owned_is_true_whoever_makes_it(any_redis: Redis) -> None:
    """300 histories; all kinds of steps happen in them."""
    hits: Counter[str] = Counter()
    await any_redis.function_load(library_code(), replace=True)
    for seed in range(300):
        sim = Sim(any_redis, seed)
        try:
            await sim.run()
        except Untrue as error:
            pytest.fail(f"seed {seed}: {error}")
        hits += sim.hits
    assert min(hits[kind] for kind in ("writing", "owning", "owned", "over", "applied", "refused", "went back")) > 20


@pytest.mark.parametrize("name", sorted(MUTANTS))
async def test_each_check_is_needed(valkey: Redis, name: str) -> None:
    right, wrong = MUTANTS[name]
    code = library_code()
    assert code.count(right) == 1, name
    await valkey.function_load(code.replace(right, wrong), replace=True)
    try:
        for seed in range(1_500):
            try:
                await Sim(valkey, seed).run()
            except Untrue:
                return
        pytest.fail("nothing untrue was found")
    finally:
        await valkey.function_load(code, replace=True)


async def test_no_call_of_full_chunks_takes_long(any_redis: Redis) -> None:
    """The largest chunks of each kind, by the server's own clock. The middle one counts: a busy machine takes any
    single call away from the processor for longer than that."""
    await any_redis.function_load(library_code(), replace=True)
    await any_redis.config_set("slowlog-log-slower-than", 0)
    await any_redis.config_set("slowlog-max-len", 1_000)
    shard = ShardRedis(any_redis, shard=ShardId("s1"), writer="w")
    maker = PartitionMaker(shard, P, epoch=E, shard_id=ShardId("s1"))
    users = [f"user-{n:012}" for n in range(5_000)]
    scores: list[Word] = [word for n, user in enumerate(users) for word in (n, user)]
    times: list[Word] = [word for n, user in enumerate(users) for word in (user, START_MS + n)]
    ids: list[Word] = [n.to_bytes(16) for n in range(5_000)]
    await maker.wipe(Loss(Cause.ABSENT))
    await any_redis.slowlog_reset()
    for n in range(20):
        await maker.write([Chunk("zset", f"scores:{n}", scores)])
        await maker.write([Chunk("hash", f"scored_at:{n}", times)])
        await maker.write([Chunk("set", f"seen:{n}", ids)])
    await maker.wipe(Loss(Cause.ABSENT))
    calls = [entry for entry in await any_redis.slowlog_get(1_000) if b"sb1_" in entry["command"]]
    wipes = [entry["duration"] for entry in calls if b"sb1_wipe" in entry["command"]]
    assert len(calls) == 61
    assert len(wipes) == 1
    by_time = sorted(entry["duration"] for entry in calls)
    assert by_time[len(by_time) // 2] < CALL_US_MAX, by_time
