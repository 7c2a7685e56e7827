"""Makes the metrics that `contracts.metric_names` declares, in a registry of the process's own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from contracts.metric_names import MetricName


class Metrics:
    """Each declared metric at most once per process; asking for the wrong type is a programming error."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

    def counter(self, metric: MetricName) -> Counter:
        """A number that only grows."""
        assert metric.kind == "counter", metric
        return Counter(metric.name, metric.help, metric.labels, registry=self.registry)

    def gauge(self, metric: MetricName) -> Gauge:
        """A number that goes up and down."""
        assert metric.kind == "gauge", metric
        return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)

    def histogram(self, metric: MetricName) -> Histogram:
        """A distribution over the metric's own buckets."""
        assert metric.kind == "histogram", metric
        return Histogram(metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self.registry)
