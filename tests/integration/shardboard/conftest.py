"""A whole deployment as a user starts it: `shardboard up --detach` in a folder of its own."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import msgspec
import pytest

from contracts.clock import now_ms
from contracts.exit_codes import ExitCode
from foundation.settings import TokenSettings
from shardboard.deployment import RunFile, RunProcess, load_environment, read_run
from shardboard.embedded.ports import free_ports
from shardboard.minting import Claims, mint
from tests.support.command import shardboard, valid
from tests.support.wait import wait_until_sync

NAMES = [
    "kafka",
    "postgres",
    "cache",
    "redis-s1",
    "redis-s2",
    "gateway",
    "worker-s1",
    "worker-s2",
    "merger",
    "archiver",
    "auditor",
]
ACTIONS = "[actions.commit]\npoints = 10\n"


@dataclass(frozen=True)
class Here:
    """One folder that a user works in; the deployment is in `.shardboard`, the default."""

    folder: Path
    port: int

    @property
    def data_dir(self) -> Path:
        return self.folder / ".shardboard"

    @property
    def up_log(self) -> str:
        return (self.data_dir / "up.log").read_text()

    def run(self, *words: str) -> "CompletedProcess[str]":
        return shardboard(*words, cwd=self.folder)

    def up(self, *words: str) -> "CompletedProcess[str]":
        return self.run("up", "--detach", "--no-demo", "--port", str(self.port), *words)

    def up_ok(self, *words: str) -> str:
        answer = self.up("--shards", "2", "--partitions", "8", *words)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def run_file(self) -> RunFile:
        run = read_run(self.data_dir / "run.json")
        assert run is not None
        valid(msgspec.json.encode(run).decode(), "run")
        return run

    def process(self, name: str) -> RunProcess:
        (found,) = (process for process in self.run_file().processes if process.name == name)
        return found

    def status(self) -> tuple[int, Any]:
        answer = self.run("status", "--output", "json")
        return answer.returncode, valid(answer.stdout, "status")

    def scores(self) -> dict[str, int]:
        answer = self.run("scores", "--period", "all_time", "--output", "ndjson")
        assert answer.returncode == 0, answer.stderr
        rows = [valid(line, "scores-line") for line in answer.stdout.splitlines()]
        assert len(rows) == len({row["user_id"] for row in rows})
        return {row["user_id"]: row["score"] for row in rows}

    def act(self, user: str) -> None:
        """One action of a user, acknowledged."""
        environ = load_environment(self.data_dir)
        secret = Path(environ["SHARDBOARD_JWT_SECRET_FILE"]).read_text()
        token = mint(TokenSettings(secret, "shardboard", "shardboard"), Claims(user), ttl_s=60, now_s=now_ms() // 1000)
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/actions",
            data=json.dumps({"user_id": user, "action": "commit"}).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            assert answer.status == 201

    def survivors(self) -> list[str]:
        """Every process that works in the data folder or was told of it, whoever started it."""
        return [found for process in Path("/proc").glob("[0-9]*") if (found := self._trace(process))]

    def _trace(self, process: Path) -> str:
        with suppress(OSError):
            command = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            if process.joinpath("cwd").readlink().is_relative_to(self.data_dir) or str(self.data_dir) in command:
                return f"{process.name}: {command}"
        return ""


def until_all_up(here: Here) -> None:
    wait_until_sync(lambda: here.status()[0] == ExitCode.OK, timeout_s=60, what="a status without fault")


@pytest.fixture(scope="session")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A deployment of 2 shards and 8 partitions that is up; ended afterwards."""
    deployment = Here(tmp_path_factory.mktemp("my deployment"), free_ports(1)[0])
    (deployment.folder / "actions.toml").write_text(ACTIONS)
    deployment.up_ok()
    yield deployment
    deployment.run("down")
    assert deployment.survivors() == []
