"""docker-compose.yml as a project of its own name on the Docker engine at hand, reached as users and operators do."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shardboard.embedded.ports import LOOPBACK, free_ports
from tests.compose.stand_ins import build_missing
from tests.support.services import missing

ROOT: Final = Path(__file__).resolve().parents[2]
FILE: Final = ROOT / "docker-compose.yml"
SHARD_4: Final = ROOT / "deploy" / "compose.shard-4.yml"
ANSWER_S_MAX: Final = 30
BUILD_S_MAX: Final = 600
UP_S_MAX: Final = 300
"""Sixteen containers at once on two slow cores, and the first start of each data folder."""
DOWN_S_MAX: Final = 120


@dataclass(frozen=True, slots=True)
class Project:
    """One running project."""

    name: str
    port: int
    """The balancer's, on loopback; the only one that is published."""
    secrets: Path
    environ: dict[str, str]

    @property
    def url(self) -> str:
        """The public address."""
        return f"http://{LOOPBACK}:{self.port}"

    def compose(
        self, *words: str, files: Sequence[Path] = (), timeout_s: float = ANSWER_S_MAX
    ) -> subprocess.CompletedProcess[str]:
        """`docker compose …` with docker-compose.yml and these overrides."""
        chosen = [part for file in (FILE, *files) for part in ("--file", str(file))]
        return subprocess.run(
            ["docker", "compose", *chosen, *words],
            env=self.environ, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s,
        )  # fmt: skip

    def up(self, *words: str, files: Sequence[Path] = ()) -> None:
        """`up --wait`, whatever it takes; the logs of what is not well are told when it fails."""
        ended = self.compose(
            "up", "--detach", "--wait", "--wait-timeout", str(UP_S_MAX), "--no-build", *words,
            files=files, timeout_s=UP_S_MAX + ANSWER_S_MAX,
        )  # fmt: skip
        if ended.returncode != 0:
            state = self.compose("ps", "--all", files=files).stdout
            logs = self.compose("logs", "--no-color", "--tail", "15", files=files).stdout
            raise AssertionError(f"{ended.stderr[-2_000:]}\n{state}\n{logs}")

    def shardboard(self, *words: str, service: str = "auditor", timeout_s: float = 120) -> str:
        """The command in one of the containers; what it printed. It must end with 0."""
        ended = self.compose("exec", "-T", service, "shardboard", *words, timeout_s=timeout_s)
        assert ended.returncode == 0, (words, ended.returncode, ended.stdout[-2_000:], ended.stderr[-2_000:])
        return ended.stdout

    def containers(self) -> list[dict[str, Any]]:
        """What the engine knows of each container."""
        ids = _docker("ps", "--all", "--quiet", "--filter", self.label).split()
        found: list[dict[str, Any]] = json.loads(_docker("inspect", *ids)) if ids else []
        return found

    @property
    def label(self) -> str:
        """What the engine finds everything of this project by."""
        return f"label=com.docker.compose.project={self.name}"

    def left(self) -> list[str]:
        """Everything that the engine still has of it."""
        kinds = (("ps", "--all"), ("volume", "ls"), ("network", "ls"))
        return [each for kind in kinds for each in _docker(*kind, "--quiet", "--filter", self.label).split()]

    def down(self) -> None:
        """`down --volumes`."""
        ended = self.compose(
            "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20",
            files=(SHARD_4,), timeout_s=DOWN_S_MAX,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr


def require_engine() -> None:
    """End the test unless an engine answers, with compose, and has or can have the images."""
    for words in (("version",), ("compose", "version")):
        try:
            _docker(*words)
        except (OSError, subprocess.SubprocessError) as error:
            missing("a Docker engine with compose", f"`docker {' '.join(words)}` fails: {error}")
    debian, python = (os.environ.get(f"SHARDBOARD_TEST_{name}_IMAGE") for name in ("DEBIAN", "PYTHON"))
    if debian and python:
        build_missing(debian, python)


@contextmanager
def project(name: str, folder: Path, **settings: str) -> Iterator[Project]:
    """Secrets, the image built from this checkout, everything up; and down again with its data, whatever happens."""
    secrets = folder / "secrets"
    subprocess.run(["sh", str(ROOT / "deploy" / "make-secrets.sh"), str(secrets)], check=True, capture_output=True)
    (port,) = free_ports(1)
    own = {key: value for key, value in os.environ.items() if not key.startswith("SHARDBOARD_")}
    image = f"shardboard/shardboard:{name}"
    environ = {
        **own,
        "COMPOSE_PROJECT_NAME": name,
        "DOCKER_BUILDKIT": "0",
        "SHARDBOARD_IMAGE": image,
        "SHARDBOARD_PUBLISH": f"{LOOPBACK}:{port}",
        "SHARDBOARD_SECRETS": str(secrets),
        **settings,
    }
    running = Project(name, port, secrets, environ)
    try:
        built = running.compose("build", "gateway", timeout_s=BUILD_S_MAX)
        assert built.returncode == 0, built.stdout[-2_000:] + built.stderr[-2_000:]
        running.up()
        yield running
    finally:
        running.down()
        _docker("rmi", "--force", image)


def _docker(*words: str) -> str:
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True, timeout=ANSWER_S_MAX).stdout
