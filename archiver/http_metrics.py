"""The archiver's metrics, and what of a round is observed in them."""

from collections import Counter
from collections.abc import Mapping

from contracts import metric_names as names
from contracts.ids import Partition
from foundation.metrics import Metrics


class ArchiverMetrics:
    """One per process."""

    def __init__(self, metrics: Metrics) -> None:
        self.registry = metrics.registry
        self._records = metrics.counter(names.RECORDS_ARCHIVED)
        self._lag = metrics.gauge(names.ARCHIVE_LAG_RECORDS)
        self.archive_seconds = metrics.histogram(names.ARCHIVE_SECONDS)
        self.scores_seconds = metrics.histogram(names.SCORES_SECONDS)
        self.scores_pending = metrics.gauge(names.SCORES_PENDING)
        self.positions_moved = metrics.counter(names.POSITIONS_MOVED)
        self.sessions = metrics.counter(names.ARCHIVE_SESSIONS)
        self.boards_closed = metrics.counter(names.BOARDS_CLOSED)
        self.boards_dropped = metrics.counter(names.BOARDS_DROPPED)
        self.rows_retired = metrics.counter(names.ROWS_RETIRED)

    def archived(self, outcomes: Counter[str]) -> None:
        """Count what one transaction archived."""
        for outcome, count in outcomes.items():
            self._records.labels(outcome).inc(count)

    def lag(self, lags: Mapping[Partition, int]) -> None:
        """Records not archived yet; partitions that are no longer ours leave the metric."""
        self._lag.clear()
        for partition, lag in lags.items():
            self._lag.labels(str(partition)).set(lag)
