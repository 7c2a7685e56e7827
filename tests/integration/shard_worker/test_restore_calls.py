"""Each rule of the calls that make a partition anew, once, by hand: on real Valkey and real Redis 7."""

from typing import Any

import pytest
from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import Epoch, LogMs, Offset, Partition, PeriodId, ShardId
from shard_worker.redis_restore import PartitionMaker
from shard_worker.redis_restore_rows import Chunk
from shard_worker.redis_shard import ShardRedis, library_code
from shard_worker.replies import Claimed, InState
from shard_worker.restore_steps import Cause, Event, Loss, Start

P = Partition(3)
SCORES = redis_keys.scores(P, PeriodId("all_time"))
SHARD = ShardId("s1")
ABSENT = Loss(Cause.ABSENT)
START = Start(Offset(9), LogMs(77), None, 5, 3)


class Rig:
    """A server without the partition."""

    def __init__(self, redis: Redis) -> None:
        self.redis: Any = redis
        self.shard = ShardRedis(redis, shard=SHARD, writer="w")

    def maker(self, epoch: int = 1) -> PartitionMaker:
        return PartitionMaker(self.shard, P, epoch=Epoch(epoch), shard_id=SHARD)

    async def scores(self) -> dict[bytes, float]:
        return dict(await self.redis.zrange(SCORES, 0, -1, withscores=True))

    async def claim(self, epoch: int = 1) -> Any:
        return await self.shard.claim(P, Epoch(epoch), begin=None)

    async def owned(self, epoch: int = 1) -> None:
        """Make the partition whole, and claim it."""
        maker = self.maker(epoch)
        assert await maker.wipe(ABSENT) is Event.DONE
        assert await maker.write([chunk("ann", 5)]) is Event.DONE
        assert await maker.own(START) is Event.DONE
        assert await self.claim(epoch) == Claimed(Offset(9), LogMs(77), None)


def chunk(user: str, score: int) -> Chunk:
    return Chunk("zset", "scores:all_time", [score, user])


@pytest.fixture
async def rig(any_redis: Redis) -> Rig:
    await any_redis.function_load(library_code(), replace=True)
    return Rig(any_redis)


async def test_partition_is_served_only_once_it_is_whole(rig: Rig) -> None:
    maker = rig.maker()
    await maker.wipe(ABSENT)
    await maker.write([chunk("ann", 5), chunk("bob", 6)])
    assert await rig.claim() == InState("restoring")
    assert await maker.own(START) is Event.DONE
    assert await rig.claim() == Claimed(Offset(9), LogMs(77), None)
    assert await rig.scores() == {b"ann": 5, b"bob": 6}


async def test_maker_that_was_overtaken_writes_nothing_and_owns_nothing(rig: Rig) -> None:
    """The later wipe wins, though the one before has as many chunks."""
    overtaken, later = rig.maker(), rig.maker()
    await overtaken.wipe(ABSENT)
    await overtaken.write([chunk("ann", 5)])
    await later.wipe(ABSENT)
    await later.write([chunk("bob", 6)])
    assert await overtaken.write([chunk("eve", 7)]) is Event.REFUSED
    assert await overtaken.own(START) is Event.REFUSED
    assert await rig.scores() == {b"bob": 6}
    assert await rig.claim() == InState("restoring")


async def test_chunk_is_written_once_and_in_its_order(rig: Rig) -> None:
    maker = rig.maker()
    await maker.wipe(ABSENT)
    await maker.write([chunk("ann", 5)])
    maker._chunks = 0
    assert await maker.write([chunk("ann", 6)]) is Event.REFUSED
    assert await rig.scores() == {b"ann": 5}


async def test_partition_that_lacks_a_chunk_is_not_owned(rig: Rig) -> None:
    """The server went back by the last chunk before the reply came."""
    maker = rig.maker()
    await maker.wipe(ABSENT)
    await maker.write([chunk("ann", 5)])
    maker._chunks += 1
    assert await maker.own(START) is Event.REFUSED
    assert await rig.claim() == InState("restoring")


async def test_state_at_a_newer_epoch_is_not_wiped(rig: Rig) -> None:
    await rig.owned(epoch=5)
    assert await rig.maker(epoch=4).wipe(ABSENT) is Event.REFUSED
    assert await rig.scores() == {b"ann": 5}


@pytest.mark.parametrize(
    ("loss", "writer", "expected"),
    [
        (ABSENT, "w", Event.REFUSED),
        (Loss(Cause.ASKED, given_up=Offset(8)), "w", Event.REFUSED),
        (Loss(Cause.ASKED, given_up=Offset(9)), "other", Event.REFUSED),
        (Loss(Cause.ASKED, given_up=Offset(9)), "w", Event.DONE),
    ],
    ids=["nobody", "another position", "another writer", "its writer"],
)
async def test_owned_state_is_given_up_by_its_writer_at_its_position_only(
    rig: Rig, loss: Loss, writer: str, expected: Event
) -> None:
    await rig.owned()
    rig.shard.writer = writer
    assert await rig.maker().wipe(loss) is expected
    assert await rig.scores() == ({} if expected is Event.DONE else {b"ann": 5})
