"""What operators ask a shard's worker to restore. Requests stay in the shard's Redis until they are carried out."""

from collections.abc import Container
from contextlib import suppress

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.ids import Partition
from contracts.restore import RestoreRequest, RestoreState, RestoreStatus, decode_request, encode_json
from foundation.logs import get_log


async def read_requests(redis: Redis, own: Container[Partition]) -> dict[Partition, tuple[str, RestoreRequest]]:
    """The request of each of our partitions with its id; what is nobody's is refused. None while Redis is away."""
    found: dict[Partition, tuple[str, RestoreRequest]] = {}
    with suppress(RedisError, OSError):
        raw: dict[bytes, bytes] = await redis.hgetall(redis_keys.RESTORE_REQUESTS)  # type: ignore[assignment]
        for field, data in raw.items():
            request_id = field.decode(errors="replace")
            try:
                request = decode_request(data)
            except msgspec.MsgspecError as error:
                get_log().error("damaged_restore_request", request=request_id, error=str(error))
                await redis.hdel(redis_keys.RESTORE_REQUESTS, field)
                continue
            if request.partition in own:
                found[request.partition] = (request_id, request)
            else:
                await _refuse(redis, request_id, request=request)
    return found


async def _refuse(redis: Redis, request_id: str, *, request: RestoreRequest) -> None:
    status = RestoreStatus(state=RestoreState.REFUSED, request=request_id, reason="this shard does not own it")
    await redis.hset(redis_keys.RESTORE_STATUS, str(request.partition), encode_json(status))
    await redis.hdel(redis_keys.RESTORE_REQUESTS, request_id)
