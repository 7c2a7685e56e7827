"""Finds the deployment that a command is about: by its data folder's `run.json`, or by the environment.

An explicit --data-dir wins; else an environment that names a deployment; else the default data folder.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from contracts.exit_codes import ExitCode
from shardboard.command_error import CommandError
from shardboard.data_dir import DATA_DIR_DEFAULT, DataDir, write_whole

NAMES_A_DEPLOYMENT: Final = ("SHARDBOARD_KAFKA", "SHARDBOARD_SHARDS", "SHARDBOARD_CACHE_URL", "SHARDBOARD_URL")
RunState = Literal["starting", "up", "stopping"]


class SupervisorProcess(msgspec.Struct, frozen=True):
    """Who runs the deployment. The start time tells it from a later process with the same id."""

    pid: int
    started: int
    """Clock ticks from boot to its start, field 22 of /proc/PID/stat."""


class RunProcess(msgspec.Struct, frozen=True):
    """One supervised process."""

    name: str
    pid: int | None
    address: str
    state: str
    restarts: int
    internal: str | None = None
    """Its internal port as host:port, for services."""


class RunFile(msgspec.Struct, frozen=True, kw_only=True):
    """`run.json`: what runs now. Written whole at every change, gone after an orderly end."""

    version: Literal[1] = 1
    state: RunState
    supervisor: SupervisorProcess
    url: str
    environment: dict[str, str]
    """What every service was started with, SHARDBOARD_… only and without secrets."""
    processes: tuple[RunProcess, ...]

    def write(self, path: Path) -> None:
        """Replace the file as a whole."""
        write_whole(path, msgspec.json.format(msgspec.json.encode(self)))


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment as a command finds it. `environ` is what its services read their settings from."""

    environ: Mapping[str, str]
    run: RunFile | None
    data_dir: Path | None

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.run.url if self.run else self.environ.get("SHARDBOARD_URL", "http://127.0.0.1:8080")


def find_deployment(data_dir: Path | None, environ: Mapping[str, str]) -> Deployment:
    """The deployment that is meant. Raises CommandError (refused) that says how to name one."""
    if data_dir is None and any(environ.get(name) for name in NAMES_A_DEPLOYMENT):
        return Deployment(environ, None, None)
    folder = DataDir(data_dir or DATA_DIR_DEFAULT)
    run = read_run(folder.run_file)
    if run is None:
        raise CommandError(ExitCode.REFUSED, _nothing_runs(folder))
    return Deployment({**environ, **run.environment}, run, folder.path)


def load_environment(data_dir: Path) -> dict[str, str]:
    """The SHARDBOARD_ variables of the deployment that runs in a folder, without secrets; none when none runs."""
    run = read_run(DataDir(data_dir).run_file)
    return {} if run is None else run.environment


def read_run(path: Path) -> RunFile | None:
    """Read `run.json`; None when there is none. Raises CommandError (could not tell) when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=RunFile)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandError(ExitCode.UNKNOWN, f"{path} cannot be read: {error}") from error


def is_alive(supervisor: SupervisorProcess) -> bool:
    """Whether this very process still runs."""
    return started_ticks(supervisor.pid) == supervisor.started


def started_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        # The name is in parentheses and may hold anything; what follows the last one is regular.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def _nothing_runs(folder: DataDir) -> str:
    if folder.stored() is not None:
        return f"the deployment in {folder.path} is not running: start it with `shardboard up`"
    return (
        f"no deployment: {folder.path} holds none. Start one with `shardboard up`, name another folder with "
        "--data-dir, or set SHARDBOARD_KAFKA, SHARDBOARD_CACHE_URL, SHARDBOARD_SHARDS and SHARDBOARD_URL"
    )
