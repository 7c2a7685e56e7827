"""Logs go to stderr: JSON a line in production, whatever library wrote them; readable lines elsewhere."""

import json

from tests.unit.foundation.processes import run_to_end


def test_production_logs_are_one_json_document_a_line() -> None:
    _, log = run_to_end("finishes", ENV="production")
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines] == ["applied", "from a library: späte Zeile\nmit Umbruch", "stopped"]
    assert {line["service"] for line in lines} == {"tiny"}
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert (lines[0]["level"], lines[0]["partition"], lines[0]["offset"]) == ("info", 3, 4712)
    assert lines[1]["level"] == "warning"


def test_an_error_stays_one_line_with_its_traceback() -> None:
    _, log = run_to_end("fails", ENV="production")
    (line,) = [json.loads(line) for line in log.splitlines()]
    assert line["event"] == "failed"
    assert "ZeroDivisionError: broken assumption" in line["exception"]


def test_less_than_the_level_is_not_logged() -> None:
    _, log = run_to_end("finishes", LOG="warning")
    assert "späte Zeile" in log
    assert "applied" not in log


def test_development_logs_are_for_people() -> None:
    _, log = run_to_end("finishes")
    assert "applied" in log
    assert "partition=3" in log
    assert "\x1b[" not in log  # no colours into a file
