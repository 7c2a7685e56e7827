"""A whole deployment counts a real file exactly, and counts it once: all scores and every top against the oracle.

Right at any time of day: each board of a kind is held against the file as far as it must, that is, over the days that
the replay ran on. On a usual day this is one board of each kind, equal to the oracle's; across midnight UTC the boards
of both days add up to it.
"""

import gzip
import http.client
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bench import oracle
from shardboard.embedded.ports import free_ports
from tests.support.actions import sample_actions
from tests.support.wait import wait_until_sync

ACTIONS = 20_000
TOP = 100
CATALOGUE = Path(__file__).resolve().parents[2] / "actions.toml"
KINDS = ("all_time", "daily", "weekly", "monthly")
UP_TIMEOUT_S = 240
COUNTED_WITHIN_S = 60

Scores = dict[str, int]


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment of its own that runs behind the test."""

    data_dir: Path
    environ: Mapping[str, str]
    port: int

    def command(self, *words: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `shardboard …` against it."""
        return subprocess.run(
            [sys.executable, "-m", "shardboard", *words, "--data-dir", str(self.data_dir)],
            env=self.environ, capture_output=True, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip

    def replay(self, file: Path) -> dict[str, Any]:
        """Replay the file; the summary. Every line must be accepted."""
        ended = self.command("replay", str(file), "--output", "json", timeout_s=280)
        assert ended.returncode == 0, ended.stderr + ended.stdout
        summary: dict[str, Any] = json.loads(ended.stdout)
        return summary

    def has_counted(self, records: int) -> bool:
        """Whether every record of the log, so many as were acknowledged or more, is in the shards."""
        status = json.loads(self.command("status", "--output", "json").stdout)
        partitions = [each for shard in status["shards"] for each in shard["partitions"]]
        counted = sum(each["next_offset"] for each in partitions)
        return counted >= records and all(each["lag"] == 0 for each in partitions)

    def rows(self, period: str) -> dict[str, dict[str, Any]]:
        """What the shards hold of every user on one board."""
        ended = self.command("scores", "--period", period, "--output", "ndjson")
        assert ended.returncode == 0, ended.stderr
        rows = [json.loads(line) for line in ended.stdout.splitlines()]
        by_user = {row["user_id"]: row for row in rows}
        assert len(by_user) == len(rows), "a user is told twice"
        return by_user

    def scores(self, period: str) -> Scores:
        """The score of every user on one board."""
        return {user: row["score"] for user, row in self.rows(period).items()}

    def top(self, period: str) -> list[dict[str, Any]]:
        """The board as the gateway shows it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with closing(connection):
            connection.request("GET", f"/leaderboard?period={period}&limit={TOP}")
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            entries: list[dict[str, Any]] = json.load(answer)["entries"]
        return entries


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


def counted_scores(file: Path) -> Scores:
    """The oracle's count of the whole file. Which day it counts for makes no difference to all_time."""
    points = oracle.read_points(CATALOGUE)
    actions = oracle.happened(oracle.read_actions(file), points, day_of=lambda *_: date(2026, 1, 1))
    return oracle.count_scores(actions)["all_time"]


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
    wanted = counted_scores(file)
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
