"""Asks the shards' Redis about their partitions: one round trip to each shard that is concerned, all of them at once.

Which shard has a partition is what the newest map says; one that answers "not here" is asked for again at the owner of
the next map. Reads change nothing, so that asking twice is always safe."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contracts import redis_keys
from contracts.board_reads import Part, encode_query
from contracts.clock import monotonic_s
from contracts.ids import Partition, PeriodId, ShardId
from contracts.moves import StoredMap
from contracts.shard_map import ShardMap
from foundation.logs import get_log
from foundation.map_follower import MapFollower
from foundation.redis_connect import connect

DEADLINE_S: Final = 2.0
"""For everything that one question takes, maps read anew included: a switch of a partition takes some 100 ms."""
SOCKET_TIMEOUT_S: Final = 1.0
"""Longest wait for one reply; a frozen shard is noticed after this."""
ASKED_AT_ONCE_MAX: Final = 8
"""Round trips under way to one shard, each on a connection of its own; more of them wait. A shard is one thread, which
also applies actions: more would only wait there."""
FAILURES_MAX: Final = 2
"""A connection that was idle while its server restarted fails once; what fails again is away."""
ASK_AGAIN_S: Final = 0.05
"""Between two tries, unless a new map comes sooner."""
PARTITIONS_PER_CALL: Final = 64
"""Some 10 µs each: a call holds a shard up for less than a full batch of actions does."""
_Told = TypeVar("_Told")


class ShardsAway(Exception):
    """Some partitions could not be read; the message says where they should be."""


@dataclass(frozen=True, slots=True)
class Question(Generic[_Told]):
    """What is asked of several partitions."""

    function: str
    decode: Callable[[bytes], Sequence[Part[_Told] | bool]]
    period: PeriodId
    same: dict[str, Any] = field(default_factory=dict)
    """What all partitions are asked alike."""
    each: dict[str, Mapping[Partition, Any]] = field(default_factory=dict)
    """What differs between them."""
    per_call: int = PARTITIONS_PER_CALL


class ShardReads:
    """The way to all shards. Any number of tasks may ask."""

    def __init__(self, maps: MapFollower) -> None:
        self._maps = maps
        self._links: dict[ShardId, _Link] = {}
        self.deployment = ""
        """Which deployment this is, once known: another's shards are not read."""

    def newest_map(self) -> ShardMap:
        """The map. Raises ShardsAway when there is none yet."""
        stored = self._maps.current
        if stored is None or stored.map is None:
            raise ShardsAway("This gateway knows no shard map yet.")
        return stored.map

    async def ask(self, question: Question[_Told], partitions: Sequence[Partition]) -> dict[Partition, Part[_Told]]:
        """Every partition's answer. Raises ShardsAway when one cannot be had in time."""
        found: dict[Partition, Part[_Told]] = {}
        missing, failures = list(partitions), 0
        try:
            async with asyncio.timeout(DEADLINE_S):
                while missing:
                    stored = self._maps.current
                    if stored is None or stored.map is None:
                        raise ShardsAway("This gateway knows no shard map yet.")
                    failed = await self._ask_once(question, missing, stored=stored, found=found)
                    missing = [partition for partition in missing if partition not in found]
                    failures += bool(failed)
                    if failures >= FAILURES_MAX:
                        raise ShardsAway(f"Shards away: {', '.join(sorted(failed))}.")
                    if missing:
                        await self._wait_for_map(stored.version)
        except TimeoutError as error:
            raise ShardsAway(f"Partitions {missing[:10]} could not be read in {DEADLINE_S:g} s.") from error
        return found

    async def close(self) -> None:
        """Give the connections back; may be called twice."""
        for link in self._links.values():
            await link.redis.aclose()
        self._links.clear()

    async def _ask_once(
        self,
        question: Question[_Told],
        partitions: Sequence[Partition],
        *,
        stored: StoredMap,
        found: dict[Partition, Part[_Told]],
    ) -> set[ShardId]:
        """Put what is told into `found`; return the shards that failed."""
        assert stored.map is not None
        owners = stored.map.owners
        by_shard: dict[ShardId, list[Partition]] = {}
        for partition in partitions:
            by_shard.setdefault(owners[partition].shard, []).append(partition)
        since = {partition: owners[partition].since for partition in partitions}
        outcomes = await asyncio.gather(
            *(self._ask_shard(shard, its, question=question, since=since, stored=stored)
              for shard, its in by_shard.items())
        )  # fmt: skip
        failed: set[ShardId] = set()
        for (shard, its), parts in zip(by_shard.items(), outcomes, strict=True):
            if parts is None:
                failed.add(shard)
                continue
            found.update((p, part) for p, part in zip(its, parts, strict=True) if not isinstance(part, bool))
        return failed

    async def _ask_shard(
        self,
        shard: ShardId,
        partitions: Sequence[Partition],
        *,
        question: Question[_Told],
        since: Mapping[Partition, int],
        stored: StoredMap,
    ) -> list[Part[_Told] | bool] | None:
        """One shard's answers in the order of its partitions, None when it failed."""
        url = stored.url_of(shard)
        if url is None:
            return None
        link = await self._link(shard, url)
        calls = [
            _arguments(question, partitions[first : first + question.per_call], since=since)
            for first in range(0, len(partitions), question.per_call)
        ]
        try:
            async with link.turn:
                if not await link.belongs_to(self.deployment):
                    return None
                raws = await _call(link.redis, calls)
            parts = [part for raw in raws for part in question.decode(raw)]
        except (RedisError, OSError, msgspec.MsgspecError) as error:
            if link.failed_at_s is None:
                get_log().warning("shard_not_read", shard=shard, error=f"{type(error).__name__}: {error}")
            link.failed_at_s = monotonic_s()
            return None
        link.failed_at_s = None
        return parts

    async def _link(self, shard: ShardId, url: str) -> "_Link":
        """The way to a shard; a shard whose Redis moved gets another."""
        link = self._links.get(shard)
        if link is None or link.url != url:
            if link is not None:
                await link.redis.aclose()
            link = self._links[shard] = _Link(url)
        return link

    async def _wait_for_map(self, version: int) -> None:
        self._maps.hint()
        try:
            async with asyncio.timeout(ASK_AGAIN_S):
                await self._maps.newer_than(version)
        except TimeoutError:
            pass


class _Link:
    """Connections to one shard's Redis."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis: Redis = connect(url, socket_timeout_s=SOCKET_TIMEOUT_S, connections_max=2 * ASKED_AT_ONCE_MAX)
        self.turn = asyncio.Semaphore(ASKED_AT_ONCE_MAX)
        self.failed_at_s: float | None = None
        self._belongs = False

    async def belongs_to(self, deployment: str) -> bool:
        """Whether the Redis does not bear another deployment's mark; looked at until it bears this one's."""
        if self._belongs or not deployment:
            return True
        mark: Any = await self.redis.hget(redis_keys.CLUSTER, "deployment")
        self._belongs = mark is not None and mark.decode() == deployment
        return self._belongs or mark is None


def _arguments(
    question: Question[Any], partitions: Sequence[Partition], *, since: Mapping[Partition, int]
) -> tuple[Any, ...]:
    query = {
        **question.same,
        **{name: [values[partition] for partition in partitions] for name, values in question.each.items()},
        "since": [since[partition] for partition in partitions],
    }
    keys = [redis_keys.partition_prefix(partition) for partition in partitions]
    return (question.function, len(keys), *keys, encode_query(question.period, **query))


async def _call(redis: Redis, calls: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """All calls in one round trip."""
    if len(calls) == 1:
        function, keys, *arguments = calls[0]
        raw: Any = await redis.fcall_ro(function, keys, *arguments)
        return [raw]
    async with redis.pipeline(transaction=False) as pipe:
        for function, keys, *arguments in calls:
            pipe.fcall_ro(function, keys, *arguments)
        raws: list[bytes] = await pipe.execute()
        return raws
