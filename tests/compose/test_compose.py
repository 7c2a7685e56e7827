"""docker-compose.yml as a whole: up, 5,000 real actions through HAProxy while a gateway and a worker are killed,
counted exactly, a fourth shard added, and nothing left after its end.

The containers run the image that the Dockerfile builds from this checkout. One test, for its steps build on each other.
"""

import http.client
import json
import os
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from bench import oracle
from contracts.exit_codes import ExitCode
from tests.support.actions import sample_actions
from tests.support.compose_project import ROOT, SHARD_4, UP_S_MAX, Project, project, require_engine
from tests.support.deployed import queries
from tests.support.wait import wait_until_sync

ACTIONS: Final = 5_000
RATE: Final = 250
"""Actions per second: slow enough that both kills fall into the replay on any machine."""
REPLAY_S_MAX: Final = 240
COUNTED_S_MAX: Final = 60
MOVED_S_MAX: Final = 120
FOUND_S_MAX: Final = 60
"""Names are looked up each 15 s, then scraped each 5 s."""
TOP: Final = 100
PARTITIONS: Final = 16
PLAN: Final = "/tmp/add.plan"
"""In the container."""


@pytest.mark.timeout(1_200)
def test_the_whole_deployment_counts_exactly_while_parts_die(tmp_path: Path, unique_name: str) -> None:
    require_engine()
    with project(unique_name, tmp_path, SHARDBOARD_PARTITIONS=str(PARTITIONS)) as deployment:
        _judge_containers(deployment)
        _judge_monitoring(deployment)
        file = tmp_path / "actions.ndjson"
        file.write_text("".join(json.dumps(each) + "\n" for each in sample_actions(ACTIONS)))
        assert _replay_while_parts_die(deployment, file) == ACTIONS
        _judge_scores(deployment, _wanted(file))
        _judge_balancers_panels(deployment)
        _add_a_shard(deployment)
        _judge_scores(deployment, _wanted(file))
    assert deployment.left() == []


def _judge_containers(deployment: Project) -> None:
    """Only the balancer has a public port; ours run as nobody, on a read-only root, without any capability."""
    containers = {each["Name"].removeprefix(f"/{deployment.name}-"): each for each in deployment.containers()}
    published = {name for name, each in containers.items() if any(each["NetworkSettings"]["Ports"].values())}
    assert published == {"haproxy-1"}
    on_edge = {name for name, each in containers.items() if f"{deployment.name}_edge" in _networks(each)}
    assert on_edge == {"haproxy-1"}
    ours = [each for each in containers.values() if each["Config"]["Image"].startswith("shardboard/")]
    assert len(ours) == 10  # 2 gateways, 3 workers, 2 mergers, archiver, auditor, setup
    for each in ours:
        assert each["Config"]["User"] == "10001:10001"
        assert each["HostConfig"]["ReadonlyRootfs"]
        assert each["HostConfig"]["CapDrop"] == ["ALL"]
        secrets = [secret.read_text() for secret in deployment.secrets.iterdir()]
        assert not any(secret in json.dumps(each) for secret in secrets)


def _judge_monitoring(deployment: Project) -> None:
    """Prometheus finds every container of every service by its name."""
    ended = deployment.compose(
        "--profile", "observability", "up", "--detach", "--wait", "--no-build", "prometheus", timeout_s=UP_S_MAX
    )
    assert ended.returncode == 0, ended.stderr

    def found() -> dict[str, int]:
        return {each["metric"]["job"]: int(each["value"][1]) for each in _samples(deployment, "sum by (job) (up)")}

    wanted = {"gateway": 2, "worker": 3, "merger": 2, "archiver": 1, "auditor": 1, "haproxy": 1}
    wait_until_sync(lambda: found() == wanted, timeout_s=FOUND_S_MAX, what="Prometheus to reach every service")


def _judge_balancers_panels(deployment: Project) -> None:
    """Every dashboard query about the balancer has an answer: only here does Prometheus watch one."""
    exprs = [query.expr for query in queries() if "haproxy_" in query.expr]
    assert exprs

    def are_answered() -> bool:
        return all(_samples(deployment, expr) for expr in exprs)

    wait_until_sync(are_answered, timeout_s=FOUND_S_MAX, what="an answer to each question about the balancer")


def _samples(deployment: Project, expr: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it does not."""
    url = f"http://127.0.0.1:9090/api/v1/query?query={quote(expr)}"
    told = deployment.compose("exec", "-T", "prometheus", "wget", "-q", "-O-", url).stdout
    found: list[dict[str, Any]] = json.loads(told)["data"]["result"] if told else []
    return found


def _gateways_found(deployment: Project) -> int:
    """How many gateways take actions, by the balancer's own count."""
    ask = "exec 3<>/dev/tcp/127.0.0.1/8404; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3"
    told = deployment.compose("exec", "-T", "haproxy", "bash", "-c", ask).stdout
    (line,) = [line for line in told.splitlines() if line.startswith('haproxy_backend_active_servers{proxy="actions"}')]
    return int(line.rpartition(" ")[2])


def _networks(container: dict[str, Any]) -> set[str]:
    return set(container["NetworkSettings"]["Networks"])


def _replay_while_parts_die(deployment: Project, file: Path) -> int:
    """Kill a gateway after a fifth of the file and a worker after half of it, bring both back; the lines accepted."""
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")},
        "SHARDBOARD_URL": deployment.url,
        "SHARDBOARD_JWT_SECRET_FILE": str(deployment.secrets / "jwt_secret"),
    }
    words = ["replay", str(file), "--rate", f"{RATE}/s", "--output", "json"]
    with subprocess.Popen(
        [sys.executable, "-m", "shardboard", *words],
        cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as replay:  # fmt: skip
        assert replay.stderr is not None
        to_kill = {ACTIONS // 5: "gateway-1", ACTIONS // 2: "worker-s2-1"}
        for line in replay.stderr:
            sent = int(line.partition("/")[0].replace(",", "")) if line[:1].isdigit() else 0
            for at in [at for at in to_kill if at <= sent < ACTIONS]:
                _kill(f"{deployment.name}-{to_kill.pop(at)}")
        out, _ = replay.communicate(timeout=REPLAY_S_MAX)
    assert replay.returncode == ExitCode.OK, out
    assert to_kill == {}, "the replay was over before every part had been killed"
    deployment.up("--scale", "gateway=3")
    wait_until_sync(lambda: _gateways_found(deployment) == 3, what="the balancer to find the third gateway")
    accepted: int = json.loads(out)["accepted"]
    return accepted


def _add_a_shard(deployment: Project) -> None:
    """The override brings a fourth shard, `rebalance` its share of the partitions."""
    deployment.up(files=(SHARD_4,))
    deployment.shardboard("rebalance", "plan", "add", "s4", "--out", PLAN)
    deployment.shardboard("rebalance", "apply", PLAN, timeout_s=MOVED_S_MAX)
    deployment.shardboard("rebalance", "verify")
    shards = {each["shard"]: len(each["partitions"]) for each in _status(deployment)["shards"]}
    assert shards["s4"] == pytest.approx(PARTITIONS / 4, abs=1)


def _kill(container: str) -> None:
    subprocess.run(["docker", "kill", "--signal", "KILL", container], check=True, capture_output=True)


def _wanted(file: Path) -> dict[str, int]:
    """The oracle's count. Which day an action counts for makes no difference to all_time."""
    points = oracle.read_points(ROOT / "actions.toml")
    actions = oracle.happened(oracle.read_actions(file), points, day_of=lambda *_: date(2026, 1, 1))
    return oracle.count_scores(actions)["all_time"]


def _judge_scores(deployment: Project, wanted: dict[str, int]) -> None:
    """Every score in the shards, the top as HAProxy's clients read it, and the product's own count of its log."""

    def is_counted() -> bool:
        partitions = [each for shard in _status(deployment)["shards"] for each in shard["partitions"]]
        return len(partitions) == PARTITIONS and all(each["lag"] == 0 for each in partitions)

    wait_until_sync(is_counted, timeout_s=COUNTED_S_MAX, what="every action counted")
    lines = deployment.shardboard("scores", "--period", "all_time", "--output", "ndjson").splitlines()
    scores = {row["user_id"]: row["score"] for row in map(json.loads, lines)}
    assert oracle.score_faults(scores, wanted) == []

    def is_right_top() -> bool:
        shown = [oracle.Place(row["rank"], row["user_id"], row["score"]) for row in _top(deployment)]
        return not oracle.top_faults(shown, wanted, count=TOP)

    wait_until_sync(is_right_top, timeout_s=COUNTED_S_MAX, what="the top of all times")
    assert json.loads(deployment.shardboard("verify", "--output", "json"))


def _status(deployment: Project) -> dict[str, Any]:
    """Whatever the exit code: what is not well yet is waited for."""
    found: dict[str, Any] = json.loads(
        deployment.compose("exec", "-T", "auditor", "shardboard", "status", "-o", "json").stdout
    )
    return found


def _top(deployment: Project) -> list[dict[str, Any]]:
    with closing(http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=10)) as connection:
        connection.request("GET", f"/leaderboard?period=all_time&limit={TOP}")
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        entries: list[dict[str, Any]] = json.load(answer)["entries"]
    return entries
