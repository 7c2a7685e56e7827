"""Which Kafka partition a user's actions go to: Kafka's own murmur2 of the key, so that any Kafka client agrees.

Source: org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner (`toPositive(murmur2(key)) % partitions`).
"""

from collections.abc import Callable
from functools import lru_cache

from contracts.ids import Partition, UserId

_M = 0x5BD1E995
_SEED = 0x9747B28C
_U32 = 0xFFFFFFFF

USERS_CACHED_MAX = 200_000
"""Pure-Python murmur2 costs 2.5 µs per id, a cache hit 0.1 µs; 200,000 entries are about 30 MB."""


def murmur2(data: bytes) -> int:
    """Kafka's 32-bit murmur2, as an unsigned int."""
    length = len(data)
    h = (_SEED ^ length) & _U32
    end = length & ~3
    for i in range(0, end, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _U32
        k = (k ^ (k >> 24)) * _M & _U32
        h = (h * _M & _U32) ^ k
    if length & 3:
        h = (h ^ int.from_bytes(data[end:], "little")) * _M & _U32
    h = (h ^ (h >> 13)) * _M & _U32
    return h ^ (h >> 15)


def partition_of(user_id: UserId, partitions: int) -> Partition:
    """The partition of `user_id` among `partitions`."""
    return Partition((murmur2(user_id.encode()) & 0x7FFFFFFF) % partitions)


def cached_partitioner(partitions: int) -> Callable[[UserId], Partition]:
    """`partition_of` for a fixed number of partitions, with a bounded memory of recent users."""

    @lru_cache(maxsize=USERS_CACHED_MAX)
    def cached(user_id: UserId) -> Partition:
        return partition_of(user_id, partitions)

    return cached
