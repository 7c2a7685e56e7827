"""A shard's partitions moved to another server as a mover does it, against copies of the same keys that promise
nothing: by SCAN with COUNT 1000 and variadic writes, and by the fastest pipelined commands that clients have.

The move fences, wipes, copies, compares every row by digest, and owns. The copies only copy.
"""

import asyncio
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from redis.asyncio import Redis

from bench.actions import BEGIN_MS
from bench.paired import Comparison, measure
from contracts import redis_keys
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, Window
from contracts.progress import State
from foundation.redis_connect import connect
from shard_worker.move_pages import Digest
from shard_worker.move_steps import Event, Order
from shard_worker.redis_move_sides import Side, Source, compare
from shard_worker.redis_move_wire import PROTOCOL, Wire
from shard_worker.redis_restore import PartitionMaker
from shard_worker.redis_shard import ShardRedis
from shard_worker.restore_steps import Cause, Loss, Start
from shardboard.embedded.ports import free_ports
from shardboard.embedded.valkey import ValkeyServer

PARTITIONS: Final = 8
"""Of the shard that is moved."""
AT_ONCE: Final = 2
"""As the moves of a deployment by default."""
BOARDS: Final = (PeriodId("all_time"),)
"""One board, as the bar is for one; the ids of two windows come with it."""
SCAN_COUNT: Final = 1_000
PIPELINED_ROWS: Final = 2_000
PIPELINED_PAGES: Final = 4
BAR_RATE: Final = 2.5
BAR_PAUSE: Final = 0.5
"""A partition stands still for at most twice as long as the pipelined copy takes."""
WAIT_S: Final = 60.0
ABSENT: Final = Loss(Cause.ABSENT)
START: Final = Start(Offset(1), LogMs(BEGIN_MS), None, 1, 1)
S1, S2 = ShardId("s1"), ShardId("s2")


@dataclass(slots=True)
class Servers:
    """Both, and how many users there are."""

    source: Redis
    target: Redis
    mover: tuple[Redis, Redis]
    """To the same servers, as a mover connects."""
    users: int
    epoch: int = 1
    pauses_s: list[float] = field(default_factory=list)

    @property
    def partitions(self) -> list[Partition]:
        """All that move."""
        return [Partition(number) for number in range(PARTITIONS)]

    async def fill(self) -> None:
        """Owned partitions with users, times, and as many ids as users in the window before and now."""
        for partition in self.partitions:
            users = [f"user-{number:08d}" for number in range(partition, self.users, PARTITIONS)]
            await fill_partition(self.source, partition, users=users, start=START)
        for redis in (self.source, self.target):
            await redis.config_set("auto-aof-rewrite-percentage", 0)  # a fork would fall into one way's round

    async def empty_target(self) -> None:
        """Before each way."""
        await self.target.flushall()


async def fill_partition(redis: Redis, partition: Partition, *, users: list[str], start: Start) -> None:
    """Shard s1 owns it, at this position of the log."""
    shard = ShardRedis(redis, shard=S1, writer="w1")
    await shard.load_functions()
    maker = PartitionMaker(shard, partition, epoch=Epoch(1), shard_id=S1)
    await maker.wipe(ABSENT)
    for first in range(0, len(users), PIPELINED_ROWS):
        hashes = {user: hash_of(user) for user in users[first : first + PIPELINED_ROWS]}
        async with redis.pipeline(transaction=False) as pipe:
            for period in BOARDS:
                pipe.zadd(redis_keys.scores(partition, period), {user: h % 100_000 for user, h in hashes.items()})
                pipe.hset(
                    redis_keys.scored_at(partition, period),
                    mapping={user: BEGIN_MS - h % 10**6 for user, h in hashes.items()},
                )
            some = [h.to_bytes(16, "big") for h in hashes.values() if h >> 64 & 1]
            pipe.sadd(redis_keys.seen(partition, Window(BEGIN_MS // 900_000)), *some)
            await pipe.execute()
    await maker.own(start)


def hash_of(user: str) -> int:
    """In no order, the same in every run."""
    return int(user[5:]) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**127


async def move_all(servers: Servers) -> None:
    """Every partition, some at a time, up to the point where only the map is missing."""
    servers.epoch += 1
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(partition: Partition) -> None:
        async with at_once:
            servers.pauses_s.append(await move_one(servers, partition))

    async with asyncio.TaskGroup() as tasks:
        for partition in servers.partitions:
            tasks.create_task(one(partition))


async def move_one(servers: Servers, partition: Partition) -> float:
    """As a handover does it; how long the partition stood still."""
    source_redis, target_redis = servers.mover
    order = Order(partition, S1, S2, Epoch(servers.epoch), Epoch(1))
    source = Source(ShardRedis(source_redis, shard=S1, writer="w2"), partition, wire=Wire(source_redis))
    shard = ShardRedis(target_redis, shard=S2, writer="w2")
    target = Side(shard, partition, role="target", wire=Wire(target_redis))
    maker = PartitionMaker(shard, partition, epoch=order.epoch, shard_id=S2, state=State.COPYING)
    began_s = perf_counter()
    event, inventory = await source.fence(order, maker.token)
    assert event is Event.DONE
    assert inventory is not None
    await maker.wipe(ABSENT)
    read = Digest()
    async for pages in source.pages(maker.token, inventory, digest=read):
        await maker.write_pages(pages, wire=target.wire)
    fault, position = await compare(source, target, token=maker.token, read=read)
    assert fault is None, fault
    await maker.own(position.start)
    for side in (source, target):
        await side.wire.close()
    return perf_counter() - began_s


async def scan_all(servers: Servers) -> None:
    """Each key by its SCAN, COUNT 1000, each answer written by one variadic command: what scripts do."""
    source, target = _any(servers.source), _any(servers.target)
    for partition in servers.partitions:
        async for key in source.scan_iter(match=redis_keys.partition_prefix(partition) + "*", count=SCAN_COUNT):
            kind, cursor = (await source.type(key)).decode(), None
            while cursor != 0:
                cursor = cursor or 0
                if kind == "zset":
                    cursor, rows = await source.zscan(key, cursor, count=SCAN_COUNT)
                    await target.zadd(key, dict(rows))
                elif kind == "hash":
                    cursor, fields = await source.hscan(key, cursor, count=SCAN_COUNT)
                    await target.hset(key, mapping=fields)
                else:
                    cursor, members = await source.sscan(key, cursor, count=SCAN_COUNT)
                    if members:
                        await target.sadd(key, *members)


async def pipeline_one(servers: Servers, partition: Partition) -> None:
    """One partition as fast as plain commands go: several large reads in one round trip, written in another, the next
    ones read meanwhile. The hash is read in the order of its board, as a move reads it."""
    for period in BOARDS:
        board = _Board(servers, redis_keys.scores(partition, period), redis_keys.scored_at(partition, period))
        size = await servers.source.zcard(board.scores)
        firsts = list(range(0, size, PIPELINED_ROWS * PIPELINED_PAGES))
        await _read_and_write(firsts, read=board.read, write=board.write)
    source, target = _any(servers.source), _any(servers.target)
    seen, cursor = redis_keys.seen(partition, Window(BEGIN_MS // 900_000)), None
    while cursor != 0:
        cursor, members = await source.sscan(seen, cursor or 0, count=PIPELINED_ROWS)
        if members:
            await target.sadd(seen, *members)


@dataclass(frozen=True, slots=True)
class _Board:
    """One board's keys and how they are copied."""

    servers: Servers
    scores: str
    times: str

    async def read(self, first: int) -> list[tuple[list[Any], list[Any]]]:
        """Some pages: members with scores, and their times."""
        source = _any(self.servers.source)
        async with source.pipeline(transaction=False) as pipe:
            for n in range(PIPELINED_PAGES):
                start = first + n * PIPELINED_ROWS
                pipe.execute_command("ZRANGE", self.scores, start, start + PIPELINED_ROWS - 1, "WITHSCORES")
            pages = [page for page in await pipe.execute() if page]
        async with source.pipeline(transaction=False) as pipe:
            for page in pages:
                pipe.execute_command("HMGET", self.times, *(member for member, _ in page))
            return list(zip(pages, await pipe.execute(), strict=True))

    async def write(self, pages: list[tuple[list[Any], list[Any]]]) -> None:
        """All of them in one round trip."""
        async with _any(self.servers.target).pipeline(transaction=False) as pipe:
            for page, values in pages:
                pipe.execute_command("ZADD", self.scores, *(word for member, score in page for word in (score, member)))
                words = [w for (m, _), v in zip(page, values, strict=True) if v is not None for w in (m, v)]
                pipe.execute_command("HSET", self.times, *words)
            await pipe.execute()


async def _read_and_write(
    firsts: list[int], *, read: Callable[[int], Awaitable[Any]], write: Callable[[Any], Awaitable[None]]
) -> None:
    ahead = asyncio.ensure_future(read(firsts[0]))
    for following in [*firsts[1:], None]:
        pages = await ahead
        if following is not None:
            ahead = asyncio.ensure_future(read(following))
        await write(pages)


async def compare_rates(folder: Path, *, users: int, rounds: int) -> Comparison:
    """Users moved per second, against the SCAN copy."""
    case = Comparison(f"move · {users:,} users in {PARTITIONS} partitions", BAR_RATE, ("move", "SCAN copy"))
    async with both(folder, users) as servers:
        for n in range(rounds + 1):
            for way, work in enumerate((move_all, scan_all)):
                await servers.empty_target()
                rate = await measure(lambda work=work: work(servers), users)  # type: ignore[misc]
                if n > 0:  # the first round warms up
                    case.per_s[way].append(rate)
    return case


async def compare_pauses(folder: Path, *, users: int, rounds: int) -> Comparison:
    """How long a partition stands still, as users per second of its pause, against the pipelined copy of its keys."""
    case = Comparison(f"pause of a partition of {users // PARTITIONS:,} users", BAR_PAUSE, ("move", "pipelined copy"))
    async with both(folder, users) as servers:
        for n in range(rounds + 1):
            for partition in servers.partitions:
                servers.epoch += 1
                await servers.empty_target()
                moved_s = await move_one(servers, partition)
                await servers.empty_target()
                copied = await measure(lambda p=partition: pipeline_one(servers, p), users // PARTITIONS)  # type: ignore[misc]
                if n > 0:
                    case.per_s[0].append(users / PARTITIONS / moved_s)
                    case.per_s[1].append(copied)
                    servers.pauses_s.append(moved_s)
        case.case += f" · {1000 * statistics.median(servers.pauses_s):.0f} ms"
    return case


@asynccontextmanager
async def both(folder: Path, users: int) -> AsyncIterator[Servers]:
    """A source that holds everything and an empty target."""
    started: list[ValkeyServer] = []
    try:
        for name in ("source", "target"):
            server = ValkeyServer(folder / name, port=free_ports(1)[0], name=name)
            started.append(server)
            await server.start()
        addresses = [server.address for server in started]
        async with (
            connect(addresses[0], socket_timeout_s=WAIT_S) as source,
            connect(addresses[1], socket_timeout_s=WAIT_S) as target,
            connect(addresses[0], socket_timeout_s=WAIT_S, protocol=PROTOCOL) as mover_source,
            connect(addresses[1], socket_timeout_s=WAIT_S, protocol=PROTOCOL) as mover_target,
        ):
            servers = Servers(source, target, (mover_source, mover_target), users)
            await servers.fill()
            await ShardRedis(target, shard=S2, writer="w2").load_functions()
            yield servers
    finally:
        for server in started:
            await server.stop(grace_s=0)


def _any(redis: Redis) -> Any:
    return redis
