"""Why a service ended, read from its log."""

import json

from shardboard.supervisor.reason import REASON_CHARS_MAX, reason_in


def test_a_refusal_is_told_from_readable_logs() -> None:
    tail = (
        "2026-11-24T07:00:00Z [info     ] starting                       service=gateway\n"
        "2026-11-24T07:00:01Z [error    ] refused                  reason='topic has 8 partitions' service=gateway\n"
        "some library's farewell\n"
    )
    assert reason_in(tail) == "topic has 8 partitions"


def test_a_refusal_is_told_from_json_logs() -> None:
    assert reason_in(json.dumps({"event": "refused", "reason": "bad secret", "level": "error"}) + "\n") == "bad secret"


def test_colours_do_not_hide_a_refusal() -> None:
    assert reason_in("\x1b[31m[error] \x1b[1mrefused\x1b[0m   \x1b[36mreason\x1b[0m=\x1b[35mwhy\x1b[0m") == "why"


def test_without_a_refusal_the_last_line_is_told() -> None:
    assert reason_in("Traceback\n  File x\nValueError: no\n\n") == "ValueError: no"
    assert reason_in("connection refused by somebody\n{broken json") == "{broken json"


def test_an_empty_log_tells_nothing() -> None:
    assert reason_in("") == ""


def test_a_long_reason_is_shortened() -> None:
    assert len(reason_in("x" * 10_000)) == REASON_CHARS_MAX
