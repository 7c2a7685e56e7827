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


def test_a_second_run_adds_to_the_report_of_the_first(tmp_path: Path) -> None:
    for bench, words in (("merge", ()), ("apply", ("--only", "1 board"))):
        ended = shardboard("bench", bench, "--quick", *words, "--add", "--report", "out", cwd=tmp_path)
        assert ended.returncode in (ExitCode.OK, ExitCode.DIFFERENT), ended.stderr
    kept = valid((tmp_path / "out" / "results.json").read_text(), "bench")
    assert [part["bench"] for part in kept["parts"]] == ["merge", "merge", "apply"]
    assert kept["complete"] is True
    told = shardboard("bench", "page", "out/results.json", cwd=tmp_path)
    assert "| … full merge of 4,096 shards: `heapq` | ≤ 0.5 |" in told.stdout
    other = shardboard("bench", "merge", "--quick", "--seed", "1", "--add", "--report", "out", cwd=tmp_path)
    assert other.returncode == ExitCode.REFUSED
    assert "do not compare" in other.stderr


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
    assert shardboard("bench", "merge", "--quick", "--add", cwd=tmp_path).returncode == ExitCode.USAGE
    away = shardboard("bench", "merge", "--quick", "--podium", "http://127.0.0.1:9", cwd=tmp_path)
    assert away.returncode == ExitCode.REFUSED
    assert "a Podium at http://127.0.0.1:9" in away.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "no.json"]
