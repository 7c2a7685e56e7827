"""Dashboards and alerts ask for metrics that exist, with labels that these have; each alert has its runbook."""

import re
from typing import Any

import pytest

from contracts.metric_names import ALL
from tests.support.deployed import RUNBOOKS, alerts, dashboards, known_series, names_in, queries

LABELS = {metric.name: set(metric.labels) for metric in ALL}
ADDED = {"instance", "job", "le"}
"""What Prometheus adds, and the bound of a bucket."""


@pytest.mark.parametrize("query", queries(), ids=str)
def test_every_panel_names_existing_metrics(query: Any) -> None:
    assert names_in(query.expr)
    assert names_in(query.expr) <= known_series()


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_every_alert_names_existing_metrics(alert: dict[str, Any]) -> None:
    assert names_in(alert["expr"])
    assert names_in(alert["expr"]) <= known_series()
    assert alert["labels"]["severity"] in ("page", "ticket")


def test_what_is_grouped_by_is_a_label_of_the_metric() -> None:
    for expr in [query.expr for query in queries()] + [alert["expr"] for alert in alerts()]:
        ours = [re.sub(r"_(bucket|sum|count)$", "", name) for name in names_in(expr) if name.startswith("shardboard_")]
        labels = set().union(*(LABELS[name] for name in ours)) | ADDED
        for grouped in re.findall(r"\bby \(([^)]*)\)", expr) if ours else ():
            assert {label.strip() for label in grouped.split(",")} <= labels, expr


def test_dashboards_are_whole() -> None:
    """What Grafana needs to show them: unique ids, the provisioned source, panels that do not overlap."""
    found = dashboards()
    assert set(found) == {"overview", "gateway", "shard", "rebalancing"}
    assert len({dashboard["uid"] for dashboard in found.values()}) == len(found)
    for dashboard in found.values():
        cells: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            assert panel["datasource"]["uid"] == "prometheus"
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24
            own = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & own
            cells |= own


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    titles = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), re.MULTILINE)
    assert titles == [alert["alert"] for alert in alerts()]
