"""The page docs/metrics.md: made from contracts/metric_names.py, so that it cannot name another metric."""

import re
from pathlib import Path
from typing import Final

from contracts import metric_names
from contracts.metric_names import ALL, MetricName

_HEAD: Final = """# Metrics

<!-- Made by `shardboard docs metrics > docs/metrics.md`. Change contracts/metric_names.py, then make it anew. -->

Each service answers `/metrics` on its internal port in Prometheus's text format, beside `process_…` (memory, CPU, open
files). Units end the name. Counters only grow: use `rate` or `increase`. Every label has a bounded set of values:
partitions, shards, kinds of boards, reasons; never users, actions or addresses.

What to look at is on the dashboards in `deploy/grafana/dashboards`; what wakes somebody is in
`deploy/prometheus/alerts.yml`, and what to do then in [runbooks.md](runbooks.md). Both are tested: a dashboard or an
alert cannot ask for a metric that is not on this page.

**Submit to visible** (`shardboard_submit_to_visible_seconds`) is measured in production, by the merger, on what changed
a board: from the moment at which Kafka appended the action, by Kafka's clock, to the moment at which the board with it
could be read from the cache. A gateway shows it within a few milliseconds more.
"""
_SECTION: Final = re.compile(r"^# (.+)$")
_NAME: Final = re.compile(r"^([A-Z][A-Z_]*): Final = _(?:counter|gauge|seconds|size)\(")


def metrics_page() -> str:
    """The whole page, in the file's own sections and order."""
    parts = [_HEAD]
    for title, metrics in _sections():
        rows = [f"| `{m.name}` | {_kind(m)} | {_labels(m)} | {m.help} |" for m in metrics]
        parts.append(
            "\n".join([f"## {title}", "", "| Metric | Kind | Labels | Meaning |", "|---|---|---|---|", *rows, ""])
        )
    return "\n".join(parts)


def _sections() -> list[tuple[str, list[MetricName]]]:
    """The metrics under the comments that head them. Raises AssertionError when one is under none."""
    sections: list[tuple[str, list[MetricName]]] = []
    for line in Path(metric_names.__file__).read_text(encoding="utf-8").splitlines():
        if found := _SECTION.match(line):
            sections.append((found.group(1), []))
        elif found := _NAME.match(line):
            sections[-1][1].append(getattr(metric_names, found.group(1)))
    assert [metric for _, metrics in sections for metric in metrics] == list(ALL)
    return sections


def _kind(metric: MetricName) -> str:
    if not metric.buckets:
        return metric.kind
    low, high = (f"{bound:g}" for bound in (metric.buckets[0], metric.buckets[-1]))
    return f"histogram, {low} to {high}"


def _labels(metric: MetricName) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)
