"""The committed page of metrics says what the services count."""

import re
from pathlib import Path

from contracts.metric_names import ALL
from shardboard.metrics_page import metrics_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"


def test_the_committed_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == metrics_page(), "run: shardboard docs metrics > docs/metrics.md"


def test_every_metric_has_one_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|", metrics_page(), re.MULTILINE)
    assert sorted(rows) == sorted(metric.name for metric in ALL)
