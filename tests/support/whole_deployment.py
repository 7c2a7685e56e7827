"""A whole deployment of its own that runs behind an acceptance test, asked by commands and by HTTP as users ask it."""

import http.client
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from bench import oracle

CATALOGUE = Path(__file__).resolve().parents[2] / "actions.toml"
TOP = 100

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


def counted_scores(actions: Iterable[Mapping[str, Any]]) -> Scores:
    """The oracle's count of these actions. Which day it counts for makes no difference to all_time."""
    numbered = ((number, dict(action)) for number, action in enumerate(actions, start=1))
    counted = oracle.happened(numbered, oracle.read_points(CATALOGUE), day_of=lambda *_: date(2026, 1, 1))
    return oracle.count_scores(counted)["all_time"]
