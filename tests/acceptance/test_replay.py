"""A whole deployment counts a real file exactly, and counts it once: all scores and every top against the oracle.

Right at any time of day: each board of a kind is held against the file as far as it must, that is, over the days that
the replay ran on. On a usual day this is one board of each kind, equal to the oracle's; across midnight UTC the boards
of both days add up to it.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import oracle
from shardboard.embedded.ports import free_ports
from tests.support.actions import sample_actions
from tests.support.wait import wait_until_sync
from tests.support.whole_deployment import CATALOGUE, TOP, Deployment, Scores, counted_scores

ACTIONS = 20_000
KINDS = ("all_time", "daily", "weekly", "monthly")
UP_TIMEOUT_S = 240
COUNTED_WITHIN_S = 60


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    port = free_ports(1)[0]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
    environ["SHARDBOARD_PERIODS"] = ",".join(KINDS)
    started = Deployment(tmp_path / "deployment", environ, port)
    try:
        up = started.command(
            "up", "--detach", "--no-demo", "--port", str(port), "--shards", "3", "--partitions", "16",
            "--actions", str(CATALOGUE), timeout_s=UP_TIMEOUT_S,
        )  # fmt: skip
        assert up.returncode == 0, up.stdout + up.stderr
        yield started
    finally:
        started.command("down")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "actions.ndjson.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(each) + "\n" for each in sample_actions(ACTIONS)).encode()))
    return path


def boards_of(kind: str, days: set[date]) -> list[str]:
    """The boards of a kind that the days belong to."""
    return sorted({name for day in days for name in oracle.period_names(day) if name.partition(":")[0] == kind})


def added(boards: list[Scores]) -> Scores:
    """Boards added up user by user."""
    total: Counter[str] = Counter()
    for board in boards:
        total.update(board)
    return dict(total)


def is_right_top(deployment: Deployment, period: str, *, scores: Scores) -> bool:
    """Whether the gateway shows the best of these scores."""
    shown = [oracle.Place(row["rank"], row["user_id"], row["score"]) for row in deployment.top(period)]
    return not oracle.top_faults(shown, scores, count=TOP)


@pytest.mark.timeout(900)
def test_a_replayed_file_is_counted_exactly_and_once(deployment: Deployment, file: Path) -> None:
    wanted = counted_scores(sample_actions(ACTIONS))
    days = {datetime.now(UTC).date()}
    assert deployment.replay(file)["accepted"] == ACTIONS
    days.add(datetime.now(UTC).date())
    wait_until_sync(lambda: deployment.has_counted(ACTIONS), timeout_s=COUNTED_WITHIN_S, what="every action counted")

    boards = {kind: boards_of(kind, days) for kind in KINDS}
    first: dict[str, dict[str, dict[str, Any]]] = {}
    tops: dict[str, list[dict[str, Any]]] = {}
    for kind, periods in boards.items():
        first |= {period: deployment.rows(period) for period in periods}
        scores = {period: {user: row["score"] for user, row in first[period].items()} for period in periods}
        assert oracle.score_faults(added(list(scores.values())), wanted) == [], kind
        for period in periods:
            wait_until_sync(
                partial(is_right_top, deployment, period, scores=scores[period]),
                what=f"the top of {period}",
            )
            tops[period] = deployment.top(period)

    assert deployment.replay(file)["accepted"] == ACTIONS
    wait_until_sync(lambda: deployment.has_counted(2 * ACTIONS), timeout_s=COUNTED_WITHIN_S, what="all repeats read")
    for period, rows in first.items():
        assert deployment.rows(period) == rows, period
        assert deployment.top(period) == tops[period], period
    if len(days) == 1 and datetime.now(UTC).date() not in days:
        # A new day began during the second replay: repeats must not have opened it.
        for kind in ("daily", "weekly", "monthly"):
            for period in set(boards_of(kind, {datetime.now(UTC).date()})) - set(first):
                assert deployment.rows(period) == {}, period
