"""What sessions of a worker work with; made once per process."""

from dataclasses import dataclass

from redis.asyncio import Redis

from shard_worker.dead_breaker import DeadBreaker
from shard_worker.http_metrics import WorkerMetrics
from shard_worker.kafka_dead_letters import DeadLetters
from shard_worker.redis_lease import Lease
from shard_worker.redis_map import WorkerMap
from shard_worker.redis_move_tools import MakeMover
from shard_worker.redis_publisher import RedisPublisher
from shard_worker.redis_shard import ShardRedis
from shard_worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Tools:
    """All of it."""

    settings: Settings
    redis: Redis
    shard: ShardRedis
    lease: Lease
    map: WorkerMap
    publisher: RedisPublisher
    dead_letters: DeadLetters
    metrics: WorkerMetrics
    breaker: DeadBreaker
    make_mover: MakeMover | None = None
    """Makes the session's mover; None: this worker receives no partitions."""
