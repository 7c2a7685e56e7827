"""Whether ids have counted: asks the shard, then the archive if there is one, then the log. One yes is enough."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from redis.exceptions import RedisError

from audit.kafka_replay import LogReplay
from audit.log_count import LogCount
from audit.redis_rows import ROWS_PER_CALL, Moved, PartitionRows
from audit.tables import KEPT, SEEN, Table
from contracts.counting import Outcome, window_of
from contracts.identity import id16_of
from contracts.ids import Id16, Offset, Partition
from contracts.record import decode
from foundation.postgres_connect import AWAY
from foundation.postgres_connect import connect as connect_postgres
from foundation.redis_connect import connect as connect_redis
from foundation.settings import CommonSettings
from shardboard.shard_reads import Shards, find_owners

_ARCHIVED = "SELECT DISTINCT id16 FROM actions WHERE partition = $1 AND id16 = ANY ($2) AND outcome = 'counted'"
_BURIED = "SELECT DISTINCT id16 FROM tombstones WHERE partition = $1 AND id16 = ANY ($2)"


async def find_counted(
    common: CommonSettings, partition: Partition, *, ids: Sequence[Id16], ignored: AbstractSet[Offset], partitions: int
) -> Mapping[Id16, str]:
    """The ids that counted, each with who says so. The log is read whole: it is the truth while it reaches back.

    `ignored` are the offsets at which the letters themselves died: by now they may decode, but nobody counted them.
    Raises KafkaError, RedisError, ShardUnreachable; an archive that is away says nothing.
    """
    found = await _in_shard(common, partition, ids=ids, partitions=partitions)
    if left := [id16 for id16 in ids if id16 not in found]:
        found |= await _in_archive(common, partition, ids=left)
    if left := [id16 for id16 in ids if id16 not in found]:
        found |= await _in_log(common, partition, ids=left, ignored=ignored)
    return found


async def _in_shard(
    common: CommonSettings, partition: Partition, *, ids: Sequence[Id16], partitions: int
) -> dict[Id16, str]:
    async with Shards(common.shards) as shards:
        owned = (await find_owners(shards, partitions)).get(partition)
    if owned is None:
        return {}
    redis = connect_redis(common.url_of(owned.shard), connections_max=1)
    rows, found = PartitionRows(redis, partition), dict[Id16, str]()
    try:
        window = window_of(owned.progress.log_ms, common.rules)
        for table in (Table(SEEN, str(window - 1)), Table(SEEN, str(window)), Table(KEPT)):
            said = f"shard {owned.shard} remembers it ({table.suffix})"
            for first in range(0, len(ids), ROWS_PER_CALL):
                answers = (await rows.ask(table, list(ids[first : first + ROWS_PER_CALL]))).rows[0][1]
                found |= {Id16(key): said for key, value in answers if value is not None and isinstance(key, bytes)}
    except Moved as moved:
        raise RedisError(f"partition {partition} of shard {owned.shard} is not to be asked: {moved}") from moved
    finally:
        await redis.aclose()
    return found


async def _in_archive(common: CommonSettings, partition: Partition, *, ids: Sequence[Id16]) -> dict[Id16, str]:
    if not common.postgres_url:
        return {}
    try:
        connection = await connect_postgres(common.postgres_url, name="shardboard-dead")
    except AWAY:
        return {}
    try:
        rows = [row for sql in (_ARCHIVED, _BURIED) for row in await connection.fetch(sql, partition, list(ids))]
    except AWAY:
        return {}
    finally:
        await connection.close()
    return {Id16(row["id16"]): "the archive has it as counted" for row in rows}


async def _in_log(
    common: CommonSettings, partition: Partition, *, ids: Sequence[Id16], ignored: AbstractSet[Offset]
) -> dict[Id16, str]:
    """A record that repeats was counted before, so a log that begins late tells it too."""
    wanted, found = set(ids), dict[Id16, str]()
    count = LogCount(common.rules, common.calendar)
    log = LogReplay(common.kafka, topic=common.actions_topic)
    try:
        await log.start()
        bounds = (await log.bounds([partition]))[partition]
        log.open(partition, bounds.begin)
        async for records in log.until(bounds.end):
            for record in records:
                if count.take(record) in (Outcome.COUNTED, Outcome.REPEAT) and record.offset not in ignored:
                    id16 = _id16(record.value)
                    if id16 in wanted:
                        found.setdefault(id16, f"the log has it at {partition}/{Offset(record.offset)}")
    finally:
        await log.close()
    return found


def _id16(value: bytes | None) -> Id16:
    record = decode(value)
    return id16_of(record.user_id, record.id)
