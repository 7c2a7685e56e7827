"""Two shards' Redis and a partition that is to move from one to the other: made whole, copied, compared."""

import copy
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId, Window
from contracts.progress import LastRecord, State
from foundation.redis_connect import connect
from shard_worker.move_pages import Digest, Inventory
from shard_worker.move_steps import Event, Order
from shard_worker.redis_move_sides import Side, Source, compare
from shard_worker.redis_move_wire import PROTOCOL, Wire
from shard_worker.redis_restore import PartitionMaker
from shard_worker.redis_shard import ShardRedis, library_code
from shard_worker.restore_steps import Cause, Loss, Start

P: Final = Partition(3)
S1, S2 = ShardId("s1"), ShardId("s2")
ABSENT: Final = Loss(Cause.ABSENT)
BOARDS: Final = (PeriodId("all_time"), PeriodId("daily:2026-11-24"))
START: Final = Start(Offset(900), LogMs(1_795_521_600_000), LastRecord(899, 1_795_521_600_000, 7), 5_000, 800)
CHUNK: Final = 5_000
WAIT_S: Final = 60.0
"""For a reply: machines that run tests may be busy."""


class MovePair:
    """A source that owns the partition at epoch 1, and an empty target."""

    def __init__(self, source: Redis, target: Redis) -> None:
        self.source_redis: Any = source
        self.target_redis: Any = target
        self.source_shard = ShardRedis(source, shard=S1, writer="w1")
        self.target_shard = ShardRedis(target, shard=S2, writer="w2")
        self.source = Source(self.source_shard, P, wire=Wire(source))
        self.read = Digest()
        self.target = Side(self.target_shard, P, role="target", wire=Wire(target))

    def maker(self, epoch: int = 2) -> PartitionMaker:
        """Of the target."""
        return PartitionMaker(self.target_shard, P, epoch=Epoch(epoch), shard_id=S2, state=State.COPYING)

    async def fill(self, users: int, *, ids: int = 0, start: Start = START) -> None:
        """The source owns the partition with so many users on every board, and a row of everything else."""
        maker = PartitionMaker(self.source_shard, P, epoch=Epoch(1), shard_id=S1)
        await maker.wipe(ABSENT)
        for first in range(0, users, CHUNK):
            async with self.source_redis.pipeline(transaction=False) as pipe:
                names = [user_name(n) for n in range(first, min(first + CHUNK, users))]
                for period in BOARDS:
                    pipe.zadd(redis_keys.scores(P, period), {name: score_of(name) for name in names})
                    times = {name: 1_795_521_000_000 + score_of(name) for name in names if score_of(name) % 7}
                    pipe.hset(redis_keys.scored_at(P, period), mapping={**times, "ü\n": 3})
                await pipe.execute()
        for first in range(0, ids, CHUNK):
            some = [hashlib.md5(b"%d" % n).digest() for n in range(first, min(first + CHUNK, ids))]  # noqa: S324
            await self.source_redis.sadd(redis_keys.seen(P, Window(9)), *some)
        await self._fill_rest()
        await maker.own(start)
        await self.source_shard.claim(P, Epoch(1), begin=None)

    async def compare(self, maker: PartitionMaker) -> tuple[str | None, Inventory]:
        """What differs from what was copied last."""
        return await compare(self.source, self.target, token=maker.token, read=copy.deepcopy(self.read))

    async def _fill_rest(self) -> None:
        redis, odd = self.source_redis, b"\xff\x00\xc1" + bytes(13)
        await redis.sadd(redis_keys.seen(P, Window(8)), odd, b"short")
        await redis.zadd(redis_keys.kept(P), {odd: 1_795_600_000_000})
        await redis.hset(redis_keys.caps(P, 20_781), mapping={"ab": "3:1795521600000"})
        await redis.hset(redis_keys.hidden(P), mapping={"user-hidden": b"\x81\xa8all_time\x92\x05\x00"})
        await redis.hset(redis_keys.voided(P), mapping={"00ff": "17"})
        await redis.hset(redis_keys.erased(P), mapping={"ff00": "18"})
        await redis.hset(redis_keys.names(P), mapping={"user-0000001": "Ann\n☃"})
        await redis.zadd(redis_keys.scores(P, BOARDS[0]), {"largest": 2**53 - 1, "negative": -7, "ü\n": 0})

    async def copy(self, order: Order | None = None) -> PartitionMaker:
        """Fence, wipe, copy."""
        maker = self.maker()
        event, inventory = await self.source.fence(order or ORDER, maker.token)
        assert event is Event.DONE
        assert inventory is not None
        await maker.wipe(ABSENT)
        self.read = Digest()
        async for pages in self.source.pages(maker.token, inventory, digest=self.read):
            assert (await maker.write_pages(pages, wire=self.target.wire)).value == "done"
        return maker


ORDER: Final = Order(P, S1, S2, Epoch(2), Epoch(1))


def user_name(n: int) -> str:
    """Names in no order."""
    return f"user-{n * 7_919 % 10_000_019:07d}"


def score_of(name: str) -> int:
    """Some have the same score."""
    return int(name[5:]) * 31 % 100_000


async def contents(redis: Any, prefix: str | None = None) -> Mapping[str, Any]:
    """All keys of the partition but its progress."""
    prefix, found = prefix or redis_keys.partition_prefix(P), dict[str, Any]()
    async for key in redis.scan_iter(match=prefix + "*"):
        name = key.decode().removeprefix(prefix)
        kind = (await redis.type(key)).decode()
        if name == "progress":
            continue
        if kind == "zset":
            found[name] = await redis.zrange(key, 0, -1, withscores=True)
        else:
            found[name] = await (redis.hgetall(key) if kind == "hash" else redis.smembers(key))
    return found


@asynccontextmanager
async def move_pair(source_url: str, target_url: str) -> AsyncIterator[MovePair]:
    """Both empty; one server will do for both: the target then is another database of it."""
    other = target_url.rpartition("/")[0] + "/1" if source_url == target_url else target_url
    async with (
        connect(source_url, socket_timeout_s=WAIT_S, protocol=PROTOCOL) as source,
        connect(other, socket_timeout_s=WAIT_S, protocol=PROTOCOL) as target,
    ):
        for redis in (source, target):
            await redis.flushall()
            await redis.function_load(library_code(), replace=True)
        yield MovePair(source, target)
