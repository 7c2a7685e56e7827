"""Retries of one action after the catalogue gave it limits: the records of one id then differ, and it counts once."""

from redis.asyncio import Redis

from contracts import redis_keys
from contracts.ids import ActionId, Epoch, LogMs, Offset, Partition, PeriodId, ShardId, UserId
from contracts.periods import PeriodCalendar, SpanCache
from contracts.record import ActionRecord, Limits, encode
from shard_worker.dead_breaker import DeadBreaker
from shard_worker.fold import Folder, Position
from shard_worker.local_top import LocalTop
from shard_worker.redis_applier import Applier
from shard_worker.redis_shard import ShardRedis
from shard_worker.replies import Claimed
from tests.support.apply_model import LogRecord
from tests.support.histories import RULES, START_MS

P = Partition(7)


async def test_batch_divides_when_its_first_record_of_an_id_counted_before(any_redis: Redis) -> None:
    """Record 1 counted; of the others the first is dropped, then the limits of the next end a batch before the last."""
    plain = ActionRecord(v=1, id=ActionId("x"), user_id=UserId("a"), received_at=0, action="c", points=1, at=START_MS)
    limited = ActionRecord(
        v=1, id=ActionId("x"), user_id=UserId("a"), received_at=0, action="c", points=1, at=START_MS,
        limits=Limits(cap_per_day=9),
    )  # fmt: skip
    log = [LogRecord(n, START_MS + n, b"a", encode(r)) for n, r in enumerate([plain, plain, limited, plain])]
    shard = ShardRedis(any_redis, shard=ShardId("s1"), writer="w")
    assert isinstance(await shard.claim(P, Epoch(1), begin=Offset(0)), Claimed)
    folder = Folder(RULES, SpanCache(PeriodCalendar()))
    applier = Applier(shard, folder, top=LocalTop(shown=2), divert=_none, breaker=DeadBreaker())
    position = Position(Offset(0), LogMs(0))
    for records in (log[:1], log[1:]):
        result = await applier.run(folder.fold_all(P, records, before=position), {P: Epoch(1)})
        position = result.applied[-1].after
    assert position == Position(Offset(4), LogMs(START_MS + 3))
    assert await any_redis.zscore(redis_keys.scores(P, PeriodId("all_time")), "a") == 1


async def _none(dead: object) -> None:
    assert not dead
