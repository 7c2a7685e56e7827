"""What a mover works with, and what a session asks of it: to receive the partitions on their way to this shard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from foundation.map_follower import MapFollower
from foundation.postgres_map import MapStore
from foundation.redis_cluster_mark import ClusterMark
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.redis_lease import Lease
from shard_worker.redis_shard import ShardRedis
from shard_worker.settings import Settings


@dataclass(frozen=True, slots=True)
class MoveTools:
    """Of one session."""

    settings: Settings
    mark: ClusterMark
    shard: ShardRedis
    lease: Lease
    metrics: WorkerMetrics
    store: MapStore
    follower: MapFollower


class Mover(Protocol):
    """Carries out the moves to this shard. After a switch the session takes the partition by the map alone."""

    async def run(self) -> None:
        """Move what is intended, again and again; ends only by being cancelled."""
        ...

    async def close(self) -> None:
        """Give the connections back; may be called twice."""
        ...


MakeMover = Callable[[MoveTools], Mover]
