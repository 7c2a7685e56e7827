"""The production checklist of docker-compose.yml: no secret in it, nothing starts in production without one's own, one
public port, and every service refuses what it should and takes what it gets."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from contracts.tokens import DEVELOPMENT_SECRET
from foundation.env import Env
from shardboard.all_settings import READERS

ROOT: Final = Path(__file__).resolve().parents[3]
FILES: Final = ("docker-compose.yml", "deploy/compose.shard-4.yml", "deploy/compose.tls.yml")
SERVICES: Final = {"gateway": "gateway", "merger": "merger", "archiver": "archiver", "auditor": "auditor"}
WORKERS: Final = ("worker-s1", "worker-s2", "worker-s3")
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::?-([^}]*))?(?::\?[^}]*)?\}")


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return document


def environment(service: str, secrets: Path, **given: str) -> dict[str, str]:
    """What the service gets when the shell gives only `given`; secrets are read from this folder."""
    environ = {}
    for name, value in compose()["services"][service]["environment"].items():
        text = _VARIABLE.sub(lambda found: given.get(found[1], found[2] or ""), str(value))
        environ[name] = text.replace("/run/secrets/", f"{secrets}/")
    return environ


def faults(service: str, environ: dict[str, str]) -> list[str]:
    """What the service itself says of these settings when it starts."""
    env = Env(environ)
    READERS[SERVICES.get(service, "worker")](env)
    return env.faults


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """As deploy/make-secrets.sh makes them."""
    script = ROOT / "deploy" / "make-secrets.sh"
    subprocess.run(["sh", str(script), str(tmp_path / "secrets")], check=True, capture_output=True)
    return tmp_path / "secrets"


@pytest.mark.parametrize("service", [*SERVICES, *WORKERS])
def test_production_starts_with_secrets_of_ones_own_and_nothing_else(service: str, secrets: Path) -> None:
    environ = environment(service, secrets)
    assert environ["SHARDBOARD_ENV"] == "production"
    assert faults(service, environ) == []
    assert not any("PASSWORD" in name or "SECRET" in name for name in environ if not name.endswith("_FILE"))


@pytest.mark.parametrize("service", [*SERVICES, *WORKERS])
def test_production_does_not_start_without_secrets(service: str, tmp_path: Path) -> None:
    assert any("_FILE" in fault for fault in faults(service, environment(service, tmp_path)))


def test_production_refuses_the_demo_and_the_development_secret(secrets: Path) -> None:
    with_demo = environment("gateway", secrets, SHARDBOARD_DEMO="1")
    assert any("SHARDBOARD_DEMO" in fault for fault in faults("gateway", with_demo))
    (secrets / "jwt_secret").chmod(0o600)
    (secrets / "jwt_secret").write_text(DEVELOPMENT_SECRET)
    assert any("development secret" in fault for fault in faults("gateway", environment("gateway", secrets)))


def test_every_secret_is_a_file_and_none_is_in_the_repository() -> None:
    for secret in compose()["secrets"].values():
        assert set(secret) == {"file"}
    kept = subprocess.run(["git", "ls-files", "deploy/secrets"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert kept.stdout == ""
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    words = re.compile(
        r"(?i)(password|secret|token)\w*\s*[:=]\s*[\"']?(?!\$|/run/|\[|\{|jwt_|postgres_|grafana_)[\w-]{6,}"
    )
    for name in (*FILES, "Dockerfile", "deploy/haproxy/haproxy.cfg", "deploy/prometheus/prometheus.yml"):
        found = [line for line in (ROOT / name).read_text().splitlines() if words.search(line.partition("#")[0])]
        assert found == [], name


def test_only_the_balancer_is_public() -> None:
    services = compose()["services"]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.pop("haproxy") == ["${SHARDBOARD_PUBLISH:-8080}:8080"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)
    assert compose()["networks"]["private"] == {"internal": True}
    for name, service in services.items():
        assert "private" in service["networks"], name
        assert name in ("haproxy", "grafana") or service["networks"] == ["private"], name


def test_every_service_has_limits_and_ends_in_its_own_time() -> None:
    for name, service in compose()["services"].items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "healthcheck" in service or "image" in service, name
        if name not in ("setup", "demo"):
            assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"]), name
            assert service["restart"] == "unless-stopped", name


def test_stores_lose_nothing_by_choice() -> None:
    services = compose()["services"]
    for name in ("cache", "redis-s1", "redis-s2", "redis-s3"):
        words = services[name]["command"]
        assert words[words.index("--appendonly") + 1] == "yes"
        assert words[words.index("--maxmemory-policy") + 1] == "noeviction"
        assert services[name]["volumes"] == [f"{name}:/data"]
    kafka = services["kafka"]["environment"]
    assert kafka["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == kafka["KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE"] == "false"
    assert services["kafka"]["volumes"] == ["kafka:/var/lib/kafka/data"]


def test_the_fourth_shard_is_told_to_every_service() -> None:
    # Compose's tag for a value that replaces the earlier file's means nothing to this reader.
    override = yaml.safe_load((ROOT / FILES[1]).read_text().replace("!override ", ""))
    ours = {
        name for name, service in compose()["services"].items() if "SHARDBOARD_SHARDS" in service.get("environment", {})
    }
    told = {name for name, service in override["services"].items() if "environment" in service}
    assert told == (ours - {"demo"}) | {"worker-s4"}
    for name in told:
        shards = override["services"][name]["environment"]["SHARDBOARD_SHARDS"]
        assert re.findall(r"(s\d)=redis://redis-\1:6379/0", shards) == ["s1", "s2", "s3", "s4"]
