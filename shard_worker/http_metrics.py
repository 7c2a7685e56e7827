"""The worker's metrics, as its internal port shows them, with its shard's label filled in."""

from collections.abc import Mapping
from contextlib import suppress

from contracts import metric_names
from contracts.ids import Partition, ShardId
from foundation.metrics import Metrics
from shard_worker.redis_applier import RoundResult


class WorkerMetrics:
    """One per process."""

    def __init__(self, shard: ShardId) -> None:
        metrics = Metrics()
        self.registry = metrics.registry
        self._shard = shard
        self._records = metrics.counter(metric_names.RECORDS_APPLIED).labels(shard)
        self._duplicates = metrics.counter(metric_names.DUPLICATES).labels(shard)
        self._dead = metrics.counter(metric_names.DEAD_LETTERS)
        self._batch = metrics.histogram(metric_names.APPLY_BATCH).labels(shard)
        self._fold_factor = metrics.gauge(metric_names.FOLD_FACTOR).labels(shard)
        self._lag_records = metrics.gauge(metric_names.LAG_RECORDS)
        self._lag_seconds = metrics.gauge(metric_names.LAG_SECONDS)
        self.lag_s = 0.0
        """How far log time was behind at the last look."""
        self.apply_seconds = metrics.histogram(metric_names.APPLY_SECONDS).labels(shard)
        self.fenced = metrics.counter(metric_names.FENCED).labels(shard)
        self.seeks = metrics.counter(metric_names.SEEKS).labels(shard)
        self.publications = metrics.counter(metric_names.PUBLICATIONS).labels(shard)
        self._restoring = metrics.gauge(metric_names.PARTITIONS_RESTORING).labels(shard)
        self._refused = metrics.gauge(metric_names.PARTITIONS_REFUSED).labels(shard)
        self._halted = metrics.gauge(metric_names.PARTITIONS_HALTED).labels(shard)
        self.waiting = metrics.gauge(metric_names.PARTITIONS_WAITING).labels(shard)
        self.map_version = metrics.gauge(metric_names.MAP_VERSION).labels(shard)
        self.map_refused = metrics.gauge(metric_names.MAP_REFUSED).labels(shard)
        self._restores = metrics.counter(metric_names.RESTORES)
        self.recomputations = metrics.counter(metric_names.RECOMPUTATIONS).labels(shard)
        self._moves = metrics.counter(metric_names.MOVES)
        self._moved_rows = metrics.counter(metric_names.MOVED_ROWS).labels(shard)

    def after_round(self, result: RoundResult) -> None:
        """Count what a round applied."""
        records = sum(len(batch.records) for batch in result.applied)
        increments = sum(batch.increments for batch in result.applied)
        self._records.inc(records)
        self._batch.observe(records)
        self._duplicates.inc(result.repeats)
        if increments:
            self._fold_factor.set(sum(batch.counted for batch in result.applied) / increments)
        for reason, count in result.dead.items():
            self._dead.labels(self._shard, reason).inc(count)

    def unserved(self, *, restoring: int, refused: int) -> None:
        """How many partitions are not served at the moment."""
        self._restoring.set(restoring)
        self._refused.set(refused)

    def restored(self, outcome: str) -> None:
        """An attempt to restore a partition ended."""
        self._restores.labels(self._shard, outcome).inc()

    def lag(self, lags: Mapping[Partition, int], *, behind_s: Mapping[Partition, float], halted: int) -> None:
        """Records not applied yet and how far log time is behind, by partition, and how many are not read on."""
        self._halted.set(halted)
        for partition, lag in lags.items():
            self._lag_records.labels(self._shard, str(partition)).set(lag)
            self._lag_seconds.labels(self._shard, str(partition)).set(behind_s[partition])
        self.lag_s = max(behind_s.values(), default=0.0)

    def moved(self, outcome: str, *, rows: int) -> None:
        """A handover to this shard ended."""
        self._moves.labels(self._shard, outcome).inc()
        self._moved_rows.inc(rows)

    def leave(self, partition: Partition) -> None:
        """Its lag is another's to show."""
        with suppress(KeyError):  # it was never shown
            self._lag_records.remove(self._shard, str(partition))
            self._lag_seconds.remove(self._shard, str(partition))
