"""What the merger's internal port shows under /metrics, and what of a round is observed in it."""

from collections.abc import Iterable, Mapping
from typing import Final

from contracts import metric_names as names
from contracts.ids import LogMs, ShardId
from foundation.metrics import Metrics

OLDER: Final = "older"
DAMAGED: Final = "damaged"


class MergerMetrics:
    """Owned by the service's loop."""

    def __init__(self, metrics: Metrics) -> None:
        self.registry = metrics.registry
        self.merge_seconds = metrics.histogram(names.MERGE_SECONDS)
        self.boards_written = metrics.counter(names.BOARDS_WRITTEN)
        self.writes_refused = metrics.counter(names.WRITES_REFUSED)
        self.top_membership_changes = metrics.counter(names.TOP_MEMBERSHIP_CHANGES)
        self.shards_stale = metrics.gauge(names.SHARDS_STALE)
        self.partitions_held = metrics.gauge(names.PARTITIONS_HELD)
        self.boards_incomplete = metrics.gauge(names.BOARDS_INCOMPLETE)
        self.shard_tops_ignored = metrics.counter(names.SHARD_TOPS_IGNORED)
        self.cache_losses = metrics.counter(names.CACHE_LOSSES)
        self._visible_seconds = metrics.histogram(names.VISIBLE_SECONDS)
        self._silence_seconds = metrics.gauge(names.SHARD_SILENCE_SECONDS)
        self._shards_shown: set[ShardId] = set()
        for reason in (OLDER, DAMAGED):
            self.shard_tops_ignored.labels(reason)

    def now_visible(self, log_ms: Iterable[LogMs], now_ms: int) -> None:
        """Rows dated by these log times can be read from now on. Clocks may differ a little: never below zero."""
        for appended_ms in log_ms:
            self._visible_seconds.observe(max(0, now_ms - appended_ms) / 1000)

    def silence(self, silence_s: Mapping[ShardId, float]) -> None:
        """How long each shard has been silent; those not named any more leave the metric."""
        for shard in self._shards_shown - silence_s.keys():
            self._silence_seconds.remove(shard)
        self._shards_shown = set(silence_s)
        for shard, seconds in silence_s.items():
            self._silence_seconds.labels(shard).set(seconds)
