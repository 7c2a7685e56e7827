"""The shard's own Redis: the function library, claims, apply calls in one round trip, the lease.

Any exception of the client library means that it is unknown what was carried out: the caller asks for the progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from contracts import redis_keys
from contracts.ids import Epoch, Offset, Partition, PeriodId, ShardId
from contracts.moves import StoredMap, decode_stored_map, encode_stored_map
from contracts.progress import Progress, read_progress
from contracts.shard_map import FIRST_EPOCH
from shard_worker.fold import Batch
from shard_worker.local_top import Floor
from shard_worker.replies import ApplyReply, ClaimReply, parse_apply, parse_claim

LIBRARY: Final = "shardboard_v1"
APPLY: Final = "sb1_apply"
CLAIM: Final = "sb1_claim"
KEEP_MAP: Final = "sb1_keep_map"
DROP_NAMES: Final = "sb1_drop_names"
TAKE_LEASE: Final = "sb1_take_lease"
DROP_LEASE: Final = "sb1_drop_lease"
_encode = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class ApplyCall:
    """A batch with what only is known when it is sent."""

    batch: Batch
    epoch: Epoch
    floors: dict[PeriodId, Floor]
    """The last tracked row of every board that the worker knows or the batch touches."""


class ShardRedis:
    """One worker process's connection to its shard. `writer` is that process's random token."""

    def __init__(self, redis: Redis, *, shard: ShardId, writer: str) -> None:
        self._redis = redis
        self._shard = shard
        self.writer = writer

    async def load_functions(self) -> None:
        """Make the server know the function library; one of the same version and other code is replaced."""
        await self._redis.function_load(library_code(), replace=True)

    async def claim(
        self, partition: Partition, epoch: Epoch, *, begin: Offset | None, since: Epoch = FIRST_EPOCH
    ) -> ClaimReply:
        """Become the partition's writer. `begin`: where a partition without progress may begin, None if it may not.
        `since`: the epoch at which the shard became the owner."""
        args = (str(epoch), self.writer, self._shard, "" if begin is None else str(begin), str(since))
        (raw,) = await self._call_all([(CLAIM, redis_keys.partition_prefix(partition), args)])
        return parse_claim(raw)

    async def apply(self, calls: Sequence[ApplyCall]) -> list[ApplyReply]:
        """Carry out all calls in one round trip; their replies in the same order."""
        raws = await self._call_all(
            [
                (
                    APPLY,
                    redis_keys.partition_prefix(call.batch.partition),
                    (
                        str(call.epoch),
                        self.writer,
                        str(call.batch.before.next_offset),
                        call.batch.ids,
                        call.batch.body,
                        _encode(call.floors),
                    ),
                )
                for call in calls
            ]
        )
        return [parse_apply(raw) for raw in raws]

    async def drop_names(self, partition: Partition, epoch: Epoch, *, users: Sequence[str]) -> None:
        """Forget the names of users who left the neighbourhood of the top."""
        prefix = redis_keys.partition_prefix(partition)
        await self._call_all([(DROP_NAMES, prefix, (str(epoch), self.writer, *users))])

    async def progress(self, partition: Partition) -> Progress | None:
        """How far the partition is applied, and whose it is; None when there is no state."""
        return (await self.progress_of([partition]))[partition]

    async def progress_of(self, partitions: Sequence[Partition]) -> dict[Partition, Progress | None]:
        """The same of several partitions, in one round trip."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for partition in partitions:
                pipe.hgetall(redis_keys.progress(partition))
            answers = await pipe.execute()
        return {
            partition: read_progress({_text(field): _text(value) for field, value in raw.items()})
            for partition, raw in zip(partitions, answers, strict=True)
        }

    async def server_id(self) -> str:
        """Which server this is, whatever its address: random, drawn at its start."""
        info = await self._redis.info("server")
        return str(info["run_id"])

    async def keep_map(self, stored: StoredMap) -> None:
        """Keep the map in this Redis, unless a newer one is kept there."""
        args = (str(stored.version), self._shard, encode_stored_map(stored))
        await self._call_all([(KEEP_MAP, redis_keys.LAST_MAP, args)])

    async def kept_map(self) -> tuple[ShardId, StoredMap] | None:
        """The map that is kept, and for which shard. Raises msgspec.MsgspecError when it is damaged."""
        shard, data = await self._redis.hmget(redis_keys.LAST_MAP, "shard", "map")
        if shard is None or data is None:
            return None
        return ShardId(_text(shard)), decode_stored_map(_text(data).encode())

    async def call(self, partition: Partition, calls: Sequence[tuple[str, tuple[Any, ...]]]) -> list[Any]:
        """Call functions on one partition in one round trip, in the order given; raw replies."""
        prefix = redis_keys.partition_prefix(partition)
        return await self._call_all([(function, prefix, args) for function, args in calls])

    async def take_lease(self, lease_ms: int) -> bool:
        """Take or prolong the lease; True when it is ours now."""
        (raw,) = await self._call_all([(TAKE_LEASE, redis_keys.LEASE, (self.writer, str(lease_ms)))])
        return bool(raw)

    async def drop_lease(self) -> None:
        """Let a standby take over at once."""
        await self._call_all([(DROP_LEASE, redis_keys.LEASE, (self.writer,))])

    async def _call_all(self, calls: Sequence[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
        """Call functions in one round trip. A server that lost the library gets it, and those calls, once more."""
        answers = await self._send(calls)
        lost = [i for i, answer in enumerate(answers) if _is_unknown_function(answer)]
        if lost:  # nothing of these was carried out, so that sending them again is safe
            await self.load_functions()
            again = await self._send([calls[i] for i in lost])
            for i, answer in zip(lost, again, strict=True):
                answers[i] = answer
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    async def _send(self, calls: Sequence[tuple[str, str, tuple[Any, ...]]]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for function, key, args in calls:
                pipe.fcall(function, 1, key, *args)
            return await pipe.execute(raise_on_error=False)


def library_code() -> str:
    """The function library's source: the files of `lua/` in the order of their names."""
    files = (file for file in resources.files("shard_worker").joinpath("lua").iterdir() if file.name.endswith(".lua"))
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name))


def _is_unknown_function(answer: Any) -> bool:
    return isinstance(answer, ResponseError) and "function not found" in str(answer).lower()


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw
