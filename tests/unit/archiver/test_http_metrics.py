"""What a transaction leaves in the metrics."""

from collections import Counter

from archiver.http_metrics import ArchiverMetrics
from contracts.ids import Partition
from foundation.metrics import Metrics


def test_outcomes_add_up_and_lost_partitions_leave() -> None:
    metrics = ArchiverMetrics(Metrics())
    metrics.archived(Counter(counted=3, dead=1))
    metrics.archived(Counter(counted=2))
    value = metrics.registry.get_sample_value
    assert value("shardboard_records_archived_total", {"outcome": "counted"}) == 5
    metrics.lag({Partition(1): 7, Partition(2): 0})
    metrics.lag({Partition(2): 4})
    assert value("shardboard_archive_lag_records", {"partition": "1"}) is None
    assert value("shardboard_archive_lag_records", {"partition": "2"}) == 4
