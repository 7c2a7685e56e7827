"""What deploy/ holds for Prometheus and Grafana, as tests read it."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from contracts.metric_names import ALL

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
PROMETHEUS: Final = DEPLOY / "prometheus"
DASHBOARDS: Final = DEPLOY / "grafana" / "dashboards"
RUNBOOKS: Final = DEPLOY.parent / "docs" / "runbooks.md"
OTHERS: Final = frozenset(
    {
        *("up", "process_resident_memory_bytes", "process_cpu_seconds_total"),
        *("haproxy_backend_active_servers", "haproxy_frontend_http_responses_total"),
        *("haproxy_frontend_requests_denied_total", "haproxy_frontend_request_errors_total"),
    }
)
"""Metrics of Prometheus, of Python's client and of HAProxy 2.6."""
_NAME: Final = re.compile(r"\b(?:shardboard|haproxy|process)_[a-z_]+\b|\bup\b")


@dataclass(frozen=True, slots=True)
class Query:
    """One query of one panel; a variable stands as everything."""

    dashboard: str
    panel: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}"


def dashboards() -> dict[str, dict[str, Any]]:
    """Every dashboard by its file's name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def queries() -> list[Query]:
    """Every query of every dashboard."""
    return [
        Query(name, panel["title"], target["expr"].replace("$shard", ".*"))
        for name, dashboard in dashboards().items()
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]


def alerts() -> list[dict[str, Any]]:
    """Every alert rule."""
    document = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
    return [rule for group in document["groups"] for rule in group["rules"]]


def names_in(expr: str) -> set[str]:
    """The series that a query names."""
    return set(_NAME.findall(expr))


def known_series() -> set[str]:
    """Every series that our services, or those that we watch beside them, may have."""
    ours = {metric.name for metric in ALL if not metric.buckets}
    histograms = {metric.name for metric in ALL if metric.buckets}
    return ours | {name + end for name in histograms for end in ("_bucket", "_sum", "_count")} | OTHERS
