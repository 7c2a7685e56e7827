"""The benchmarks run to their end on real servers, check that both ways did the same work, and tell what they found."""

import json

import pytest

from bench.reliability import main
from contracts.exit_codes import ExitCode


@pytest.mark.parametrize(("what", "cases"), [("apply", 4), ("archive", 2)])
def test_a_small_run_tells_every_case(what: str, cases: int, capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--rounds", "2", "--records", "2000", "--users", "500", "-o", "json"]
    code = main([what, *small])
    told = json.loads(capsys.readouterr().out)
    assert len(told["cases"]) == cases
    for case in told["cases"]:
        assert len(case["ratios"]) == 2
        assert all(rate > 0 for way in case["ways"].values() for rate in way["rounds_per_s"])
    assert code == (ExitCode.OK if all(case["met"] for case in told["cases"]) else ExitCode.DIFFERENT)
    assert told["machine"]["cpus"] > 0
