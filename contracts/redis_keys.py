"""Every Redis key, named once. All keys of a partition carry the hash tag {p}: a partition is one movable unit."""

from typing import Final

from contracts.ids import Partition, PeriodId, Window

CLUSTER: Final = "lb:cluster"
"""HASH in every Redis: which deployment it belongs to (deployment, partitions, periods)."""
LEASE: Final = "lb:lease"
"""In a shard's Redis: which worker process tries to serve the shard; expires."""
LAST_MAP: Final = "lb:map"
"""In a shard's Redis, HASH of version, shard, map (StoredMap as JSON): the newest, for starts without Postgres."""

RESTORE_REQUESTS: Final = "lb:restore_requests"
"""In a shard's Redis, HASH: request id → RestoreRequest (JSON), removed by the shard's worker."""
RESTORE_STATUS: Final = "lb:restore_status"
"""In a shard's Redis, HASH: partition → RestoreStatus (JSON) of its newest restore."""

SHARD_TOPS: Final = "lb:shard_tops"
"""Cache HASH: shard → newest ShardTop (msgpack)."""
SHARD_TOP_CHANGED: Final = "lb:shard_top_changed"
"""Cache STREAM, one entry per publication: field `shard`."""
TOP_CHANGED: Final = "lb:top_changed"
"""Cache STREAM, one entry per board written: fields `period`, `version`; or field `heartbeat` (unix ms)."""
TOP_VERSION: Final = "lb:top_version"
"""Cache: the newest version of any board."""

CHANGES_KEPT_MAX: Final = 1_000
"""MAXLEN of the streams. A reader that was away longer re-reads the state, which it does after any gap anyway."""


def top(period: PeriodId) -> str:
    """Cache STRING: the GlobalTop of a board (msgpack)."""
    return f"lb:top:{period}"


def idempotency(place: str) -> str:
    """Cache STRING, expires: what is known of one caller's idempotency key (gateway/idempotency.py)."""
    return f"lb:idempotency:{place}"


def partition_prefix(partition: Partition) -> str:
    """What every key of a partition begins with."""
    return f"lb:{{{partition}}}:"


def progress(partition: Partition) -> str:
    """HASH of the fields in `contracts.progress`."""
    return partition_prefix(partition) + "progress"


def scores(partition: Partition, period: PeriodId) -> str:
    """ZSET user_id → score."""
    return f"{partition_prefix(partition)}scores:{period}"


def scored_at(partition: Partition, period: PeriodId) -> str:
    """HASH user_id → log_ms of the last counted action with points > 0 on that board."""
    return f"{partition_prefix(partition)}scored_at:{period}"


def seen(partition: Partition, window: Window) -> str:
    """SET of id16. No TTL: the apply call drops windows < w−1 by log time."""
    return f"{partition_prefix(partition)}seen:{window}"


def kept(partition: Partition) -> str:
    """ZSET id16 → keep_until, trimmed by log time."""
    return partition_prefix(partition) + "kept"


def caps(partition: Partition, day: int) -> str:
    """HASH of limits used on a day of log time."""
    return f"{partition_prefix(partition)}caps:{day}"


def hidden(partition: Partition) -> str:
    """HASH user_id → parked scores (msgpack)."""
    return partition_prefix(partition) + "hidden"


def voided(partition: Partition) -> str:
    """HASH of voided ids."""
    return partition_prefix(partition) + "voided"


def erased(partition: Partition) -> str:
    """HASH id16 of erased users → offset of the erase."""
    return partition_prefix(partition) + "erased"


def names(partition: Partition) -> str:
    """HASH user_id → display name, only of users in or near the local top."""
    return partition_prefix(partition) + "names"
