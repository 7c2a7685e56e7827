"""Schemathesis over the whole OpenAPI document of a whole deployment, operation by operation and along the links: no
5xx, no answer that the document does not have.

A short run here. With SHARDBOARD_TEST_FUZZ_REQUESTS=100000 it goes on, with new seeds, until so many were made.
"""

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from contracts.tokens import SCOPES
from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.support.command import shardboard

CATALOGUE = "[actions.commit]\npoints = 10\n[actions.raid]\npoints = 50\nticket = { after_s = 0, valid_s = 600 }\n"
LONG_RUN = int(os.environ.get("SHARDBOARD_TEST_FUZZ_REQUESTS", "0"))
SHORT_S, ROUND_S = 20, 240
"""How long the short run takes, and each round of the long one."""
ENVIRON = {
    # Its callers come from one address as fast as they can.
    "SHARDBOARD_USER_RATE": "0",
    "SHARDBOARD_ADDRESS_RATE": "0",
}
STREAM = "/leaderboard/stream"
CHECKS = f"""
[checks]
# A body may be right by its schema and still speak of a board, a ticket or a key that the deployment refuses.
positive_data_acceptance.enabled = false
# The usual ones, and 413: what breaks the schema may be too long to be read at all.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429]

# Each action of a batch has an answer of its own, inside a 200.
[[operations]]
include-path = "/actions/batch"
checks.negative_data_rejection.enabled = false

# It never ends: test_streams_answer_as_documented asks it.
[[operations]]
include-path = "{STREAM}"
enabled = false
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """One of its own: the requests hide, erase and adjust whomever they like."""
    folder, port = tmp_path_factory.mktemp("explored"), free_ports(1)[0]
    (folder / "actions.toml").write_text(CATALOGUE)
    (folder / "schemathesis.toml").write_text(CHECKS)
    words = ("up", "--detach", "--no-demo", "--port", str(port), "--shards", "2", "--partitions", "8")
    started = shardboard(*words, cwd=folder, environ=ENVIRON)
    assert started.returncode == 0, started.stdout + started.stderr
    yield folder, port
    shardboard("down", cwd=folder)


@pytest.mark.timeout(300 + LONG_RUN)
def test_no_request_gets_a_5xx_or_an_undocumented_answer(deployment: tuple[Path, int]) -> None:
    folder, port = deployment
    scopes = [word for scope in SCOPES for word in ("--scope", scope)]
    token = shardboard("token", "--service", *scopes, "--ttl", "7d", cwd=folder).stdout.strip()
    made = rounds = 0
    while made < max(LONG_RUN, 1):
        report = explore(folder, port, token=token, seed=rounds)
        assert report["failures"] == []
        assert report["errors"] == []
        assert {report["phases"][phase]["status"] for phase in ("coverage", "fuzzing", "stateful")} == {"success"}
        assert report["operations"]["tested"] == report["operations"]["total"] - 1
        made += report["test_cases"]["generated"]
        rounds += 1
        sys.stderr.write(f"explored round={rounds} requests={made}\n")


@given(st.dictionaries(st.sampled_from(["period", "user", "limit", "x"]), st.text(max_size=20), max_size=3), st.text())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({}, "")
@example({"period": "daily", "user": "ada"}, "17")
def test_streams_answer_as_documented(deployment: tuple[Path, int], query: dict[str, str], last_seen: str) -> None:
    """Whatever is asked, the answer is a stream or a problem that the document names."""
    _, port = deployment
    target = f"{STREAM}?{urlencode(query, errors='surrogatepass')}"
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=15)
    connection.request("GET", target, headers={"Last-Event-ID": quote(last_seen, errors="surrogatepass")})
    answer = connection.getresponse()
    if answer.status == 200:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.read(1)
    else:
        assert answer.status in (404, 422)
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer.close()
    connection.close()


def explore(folder: Path, port: int, *, token: str, seed: int) -> dict[str, Any]:
    """One run of Schemathesis, all checks but LEFT_OUT; its report."""
    report = folder / f"report-{seed}.json"
    argv = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://{LOOPBACK}:{port}/openapi.json"),
        *("--header", f"Authorization: Bearer {token}", "--request-timeout", "15", "--warnings", "off"),
        *("--report", "json", "--report-json-path", str(report)),
        *("--max-time", str(ROUND_S if LONG_RUN else SHORT_S), "--suppress-health-check", "all"),
        # One seed in the short run, so that it is the same today and tomorrow.
        *("--seed", str(seed + 1)),
    ]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert report.exists(), ended.stdout + ended.stderr
    assert ended.returncode == 0, ended.stdout
    found: dict[str, Any] = json.loads(report.read_text())
    return found
