"""Metric names follow Prometheus: a prefix, a unit at the end, counters in `_total`; none is declared twice."""

import re

from contracts import metric_names
from contracts.metric_names import ALL


def test_names_are_unique_and_well_formed() -> None:
    names = [metric.name for metric in ALL]
    assert len(names) == len(set(names)) > 20
    assert [name for name in names if not re.fullmatch(r"shardboard_[a-z_]+", name)] == []


def test_counters_and_only_counters_end_in_total() -> None:
    assert [m.name for m in ALL if m.name.endswith("_total") != (m.kind == "counter")] == []


def test_histograms_and_only_histograms_have_growing_buckets() -> None:
    assert [m.name for m in ALL if bool(m.buckets) != (m.kind == "histogram")] == []
    assert [m.name for m in ALL if list(m.buckets) != sorted(set(m.buckets))] == []


def test_durations_end_in_seconds() -> None:
    durations = [m for m in ALL if m.buckets == metric_names.LATENCY_BUCKETS_S]
    assert durations
    assert [m.name for m in durations if not m.name.endswith("_seconds")] == []


def test_labels_are_bounded_sets() -> None:
    """A label per user or action would make one series each."""
    bounded = {
        "code",
        "kind",
        "partition",
        "reason",
        "result",
        "shard",
        "status",
        "route",
        "outcome",
        "service",
        "table",
    }
    assert {label for metric in ALL for label in metric.labels} <= bounded


def test_every_metric_says_what_it_means() -> None:
    assert [m.name for m in ALL if not m.help or m.help.endswith(".")] == []
