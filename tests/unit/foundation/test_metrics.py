"""Metrics are made as declared, once per process, and never as another type."""

import pytest
from prometheus_client import generate_latest

from contracts.metric_names import ALL, MetricName
from foundation.metrics import Metrics


def test_every_declared_metric_can_be_made() -> None:
    metrics = Metrics()
    for declared in ALL:
        getattr(metrics, declared.kind)(declared)
    text = generate_latest(metrics.registry).decode()
    for declared in ALL:
        assert f"# HELP {declared.name} {declared.help}" in text


def test_a_metric_is_made_once() -> None:
    metrics = Metrics()
    metrics.counter(MetricName("x_total", "counter", "m"))
    with pytest.raises(ValueError, match="Duplicated"):
        metrics.counter(MetricName("x_total", "counter", "m"))


def test_two_services_in_one_process_do_not_share_metrics() -> None:
    for metrics in (Metrics(), Metrics()):
        metrics.counter(MetricName("x_total", "counter", "m"))


@pytest.mark.parametrize(("asked", "kind"), [("gauge", "counter"), ("histogram", "gauge"), ("counter", "histogram")])
def test_another_type_is_a_programming_error(asked: str, kind: str) -> None:
    with pytest.raises(AssertionError):
        getattr(Metrics(), asked)(MetricName("x", kind, "m"))  # type: ignore[arg-type]
