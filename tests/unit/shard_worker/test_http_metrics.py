"""What a worker's port shows of partitions that come and go."""

from contracts.ids import Partition, ShardId
from shard_worker.http_metrics import WorkerMetrics


def test_lag_is_shown_by_partition_until_it_is_anothers() -> None:
    metrics = WorkerMetrics(ShardId("s1"))

    def shown(partition: int) -> tuple[float | None, float | None]:
        labels = {"shard": "s1", "partition": str(partition)}
        value = metrics.registry.get_sample_value
        return value("shardboard_lag_records", labels), value("shardboard_lag_seconds", labels)

    metrics.lag({Partition(1): 7, Partition(2): 0}, behind_s={Partition(1): 2.5, Partition(2): 0.0}, halted=0)
    assert (shown(1), shown(2), metrics.lag_s) == ((7, 2.5), (0, 0), 2.5)
    metrics.leave(Partition(1))
    metrics.leave(Partition(3))
    assert (shown(1), shown(2)) == ((None, None), (0, 0))
    metrics.lag({Partition(2): 0}, behind_s={Partition(2): 0.0}, halted=0)
    assert metrics.lag_s == 0
