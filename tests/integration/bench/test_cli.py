"""`shardboard bench`: what it says before it starts, and what it leaves behind."""

import json
from pathlib import Path

from bench.cli import ALL, SUMMARIES
from bench.harness import BENCHES
from contracts.exit_codes import ExitCode
from tests.support.command import shardboard, valid


def test_every_benchmark_can_be_typed() -> None:
    assert set(SUMMARIES) == {*BENCHES, ALL}


def test_a_run_leaves_a_result_and_a_page_that_can_be_compared(tmp_path: Path) -> None:
    ended = shardboard("bench", "merge", "--quick", "--report", "out", "--output", "json", cwd=tmp_path)
    report = valid(ended.stdout, "bench")
    assert ended.returncode == (
        ExitCode.OK if all(v["met"] is not False for v in verdicts(report)) else ExitCode.DIFFERENT
    )
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == report
    assert "<svg" in (tmp_path / "out" / "index.html").read_text()
    again = shardboard("bench", "compare", "out/results.json", "out/results.json", "-o", "json", cwd=tmp_path)
    assert again.returncode == ExitCode.OK
    assert {change["ratio"] for change in valid(again.stdout, "bench-compare")["changes"]} == {1.0}


def verdicts(report: dict[str, list[dict[str, list[dict[str, object]]]]]) -> list[dict[str, object]]:
    return [verdict for part in report["parts"] for verdict in part["verdicts"]]


def test_what_cannot_be_measured_is_said_before_anything_starts(tmp_path: Path) -> None:
    assert shardboard("bench", "nonsense", cwd=tmp_path).returncode == ExitCode.USAGE
    assert shardboard("bench", "merge", "--quick", "--full", cwd=tmp_path).returncode == ExitCode.USAGE
    (tmp_path / "no.json").write_text("{}")
    assert shardboard("bench", "compare", "no.json", "no.json", cwd=tmp_path).returncode == ExitCode.USAGE
    refused = shardboard("bench", "post", "--quick", cwd=tmp_path, environ={"PATH": str(tmp_path)})
    assert refused.returncode == ExitCode.REFUSED
    assert "the program wrk: apt install wrk" in refused.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "no.json"]
