"""What of the merger is shown under /metrics."""

from prometheus_client import generate_latest

from contracts.ids import LogMs, ShardId
from foundation.metrics import Metrics
from merger.http_metrics import MergerMetrics


def test_forgotten_shard_leaves_the_metric() -> None:
    metrics = MergerMetrics(Metrics())
    metrics.silence({ShardId("s1"): 1.0, ShardId("s2"): 2.0})
    metrics.silence({ShardId("s1"): 1.5})
    text = generate_latest(metrics.registry).decode()
    assert 'shardboard_shard_silence_seconds{shard="s1"} 1.5' in text
    assert 's2"' not in text


def test_visible_time_is_never_negative() -> None:
    metrics = MergerMetrics(Metrics())
    metrics.now_visible([LogMs(2_000), LogMs(500)], 1_000)
    assert metrics.registry.get_sample_value("shardboard_submit_to_visible_seconds_sum") == 0.5
