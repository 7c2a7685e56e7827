"""Claims partitions and compares them with the log beside the session, which follows the others meanwhile.

One task runs `run`. The session says what to take, and picks up what came of it between two of its rounds.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from aiokafka.errors import KafkaError
from redis.exceptions import RedisError

from contracts.ids import Partition
from contracts.log import LogBounds
from foundation.logs import get_log
from shard_worker.kafka_reader import KafkaReader
from shard_worker.ownership import Right
from shard_worker.redis_claims import Taken, take
from shard_worker.redis_shard import ShardRedis
from shard_worker.settings import Settings

RETRY_S: Final = 0.5
"""Between two tries while Kafka or the shard's Redis does not answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of claiming some partitions at the rights that the map gave then."""

    rights: Mapping[Partition, Right]
    taken: Taken
    bounds: Mapping[Partition, LogBounds]


class Taker:
    """The partitions on their way into one session. `run` ends only by being cancelled, or with Refused; then `close`.

    It has a consumer of its own: looking a record up there disturbs nobody.
    """

    def __init__(self, settings: Settings, shard: ShardRedis, *, partitions: int) -> None:
        """`partitions`: of the whole topic."""
        self._settings = settings
        self._shard = shard
        self._partitions = partitions
        self._reader: KafkaReader | None = None
        self._wanted: dict[Partition, Right] = {}
        self._underway: dict[Partition, Right] = {}
        self._wake = asyncio.Event()
        self._outcomes: list[Outcome] = []

    @property
    def has_outcomes(self) -> bool:
        """Whether there is anything to pick up."""
        return bool(self._outcomes)

    def is_pending(self, partition: Partition) -> bool:
        """Whether a claim of it is under way, or was made and not picked up yet."""
        return partition in self._wanted or partition in self._underway

    def want(self, rights: Mapping[Partition, Right]) -> None:
        """Claim these. Asking again while a claim of the same right is under way does nothing."""
        for partition, right in rights.items():
            if self._underway.get(partition) != right:
                self._wanted[partition] = right
                self._wake.set()

    def pick_up(self) -> list[Outcome]:
        """What came of it since the last time. A right that the map has taken back meanwhile is the caller's to see."""
        outcomes, self._outcomes = self._outcomes, []
        for outcome in outcomes:
            self._end(outcome.rights)
        return outcomes

    async def run(self) -> None:
        """Take what is wanted, again and again. Raises Refused when keys are damaged."""
        if self._settings.common.postgres_url:
            with suppress(KafkaError, OSError):  # it tries again when there is something to take
                await self._open()  # now, so that a partition that is moved here later does not wait for it
        while True:
            await self._wake.wait()
            self._wake.clear()
            rights, self._wanted = self._wanted, {}
            self._underway |= rights
            try:
                outcome = await self._take(rights)
            except (KafkaError, RedisError, OSError) as error:
                get_log().warning("take_broken", partitions=sorted(rights), error=f"{type(error).__name__}: {error}")
                await self.close()
                await asyncio.sleep(RETRY_S)
                self._end(rights)
                self._wanted = {**rights, **self._wanted}
                self._wake.set()
                continue
            self._outcomes.append(outcome)

    async def close(self) -> None:
        """Give the connection back; may be called twice."""
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.close()

    def _end(self, rights: Mapping[Partition, Right]) -> None:
        for partition, right in rights.items():
            if self._underway.get(partition) == right:
                del self._underway[partition]

    async def _take(self, rights: Mapping[Partition, Right]) -> Outcome:
        reader = await self._open()
        return await take_from(reader, self._shard, rights=rights, settings=self._settings)

    async def _open(self) -> KafkaReader:
        if self._reader is None:
            common = self._settings.common
            everything = map(Partition, range(self._partitions))
            reader = KafkaReader(common.kafka, topic=common.actions_topic, group=None, partitions=everything)
            await reader.start()
            self._reader = reader
        return self._reader


async def take_from(
    reader: KafkaReader, shard: ShardRedis, *, rights: Mapping[Partition, Right], settings: Settings
) -> Outcome:
    """Claim partitions once. Raises Refused, KafkaError, RedisError."""
    bounds = await reader.bounds(rights)
    may_begin = not settings.common.postgres_url
    return Outcome(rights, await take(shard, reader, rights=rights, bounds=bounds, may_begin=may_begin), bounds)
