"""A real Prometheus with our rules, scraping a whole running deployment: every dashboard query has an answer."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from contracts.metric_names import ALL
from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.support.command import shardboard
from tests.support.deployed import PROMETHEUS, queries
from tests.support.services import missing
from tests.support.wait import wait_until

SCRAPE_S = 1
ANSWERS_S_MAX = 90
"""Rates need two scrapes after the first action, the boards a merger, the audit a round."""

ONLY_WITH_JWKS = "shardboard_jwks_age_seconds"


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        missing(name, "`make test-deps` installs it")
    return found


def test_each_alert_fires_when_it_must_and_rests_otherwise() -> None:
    ended = subprocess.run(
        [program("promtool"), "test", "rules", "alerts_test.yml"], cwd=PROMETHEUS, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_alert_is_tested_firing_and_resting() -> None:
    rules = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())
    tests = yaml.safe_load((PROMETHEUS / "alerts_test.yml").read_text())["tests"]
    told = [each for test in tests for each in test["alert_rule_test"]]
    names = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {each["alertname"] for each in told if each["exp_alerts"]} == names
    assert {each["alertname"] for each in told if not each["exp_alerts"]} == names


def test_the_configuration_is_one_that_prometheus_takes() -> None:
    ended = subprocess.run(
        [program("promtool"), "check", "config", str(PROMETHEUS / "prometheus.yml")], capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.timeout(400)
async def test_every_dashboard_query_has_an_answer(tmp_path: Path) -> None:
    """On a deployment of two shards with the demo's people, an action that is refused, and an open stream."""
    unanswered = {str(query) + query.expr: query.expr for query in queries() if "haproxy_" not in query.expr}

    async def all_answered() -> bool:
        await use(http, run["url"])
        for name, expr in list(unanswered.items()):
            if await answer(http, url, expr=expr):
                del unanswered[name]
        return not unanswered

    with deployment(tmp_path) as run, prometheus(tmp_path, run) as url:
        async with aiohttp.ClientSession() as http, http.get(f"{run['url']}/leaderboard/stream"):
            with suppress(AssertionError):
                await wait_until(all_answered, timeout_s=ANSWERS_S_MAX)
            series = {
                each["metric"]["__name__"] for each in await answer(http, url, expr='{__name__=~"shardboard_.+"}')
            }
    assert list(unanswered.values()) == [], "no data"
    # What has labels may have no series yet: nothing was diverted, restored or moved here.
    declared = {f"{metric.name}_count" if metric.buckets else metric.name for metric in ALL if not metric.labels}
    assert declared - series == {ONLY_WITH_JWKS}, "declared, and told by no service"


@contextmanager
def deployment(folder: Path) -> Iterator[dict[str, Any]]:
    """`shardboard up` with its demo; its run.json."""
    (port,) = free_ports(1)
    data = folder / "deployment"
    up = ("up", "--detach", "--port", str(port), "--shards", "2", "--partitions", "8", "--data-dir", str(data))
    ended = shardboard(*up, cwd=folder, timeout_s=240)
    try:
        assert ended.returncode == 0, ended.stdout + ended.stderr
        yield json.loads((data / "run.json").read_text())
    finally:
        shardboard("down", "--data-dir", str(data), cwd=folder)


@contextmanager
def prometheus(folder: Path, run: dict[str, Any]) -> Iterator[str]:
    """Prometheus with our alerts, scraping every service of the run; its address."""
    jobs: dict[str, list[str]] = {}
    for process in run["processes"]:
        if process["internal"]:
            jobs.setdefault(process["name"].partition("-")[0], []).append(process["internal"])
    config = {
        "global": {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S}s"},
        "rule_files": [str(PROMETHEUS / "alerts.yml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in jobs.items()
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    words = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with (
        (folder / "prometheus.log").open("wb") as log,
        subprocess.Popen([program("prometheus"), *words], stdout=log, stderr=log) as process,
    ):
        try:
            yield f"http://{LOOPBACK}:{port}"
        finally:
            process.terminate()


async def answer(http: aiohttp.ClientSession, url: str, *, expr: str) -> list[dict[str, Any]]:
    """The samples of an instant query that are numbers; none while Prometheus does not answer yet."""
    try:
        async with http.get(f"{url}/api/v1/query", params={"query": expr}) as response:
            if response.status != 200:  # it reads its log back
                return []
            result = (await response.json())["data"]["result"]
    except aiohttp.ClientConnectionError:
        return []
    return [sample for sample in result if sample["value"][1] != "NaN"]


async def use(http: aiohttp.ClientSession, gateway: str) -> None:
    """Read a board twice, the second time as one who has it, and send an action that is refused."""
    async with http.get(f"{gateway}/leaderboard") as board:
        held = board.headers["ETag"]
    async with http.get(f"{gateway}/leaderboard", headers={"If-None-Match": held}) as again:
        assert again.status in (200, 304)
    async with http.post(f"{gateway}/actions", json={}) as refused:
        assert refused.status in (401, 422)
