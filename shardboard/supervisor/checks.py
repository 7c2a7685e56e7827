"""What is checked before `up` starts anything: facts in, faults out. Pure; `facts` collects, `run` refuses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.periods import BadPeriod, PeriodCalendar
from contracts.topics import PARTITIONS_DEFAULT, PARTITIONS_MAX
from shardboard.data_dir import Stored

PYTHON_MIN: Final = (3, 11)
DISK_FREE_MIN: Final = 1024**3
"""1 GiB: Postgres' write-ahead log may take 0.5, its cluster and Kafka's first segments the rest."""
SHARDS_MAX: Final = 64
"""Each is a Redis and a Python process on one machine: 64 are some 4 GB."""
SHARDS_DEFAULT: Final = 3


@dataclass(frozen=True, slots=True)
class PortHolder:
    """The program that listens on a port."""

    pid: int
    command: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine and the data folder as they were found."""

    python: tuple[int, int]
    missing_modules: tuple[str, ...]
    data_dir: Path
    is_foreign: bool
    stored: Stored | None
    disk_free: int
    port: int
    port_is_free: bool
    port_holder: PortHolder | None
    actions_file: Path
    actions_fault: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The options that must agree with what the deployment was made with; None when not given."""

    shards: int | None
    partitions: int | None
    periods: str | None
    fresh: bool


def machine_faults(facts: Facts) -> list[str]:
    """What this machine lacks, each with what to do."""
    faults = []
    if facts.python < PYTHON_MIN:
        found = ".".join(str(part) for part in facts.python)
        faults.append(f"Python {found} runs this, 3.11 or newer is needed")
    if facts.missing_modules:
        faults.append(f"not installed: {', '.join(facts.missing_modules)}: pip install 'shardboard[embedded]'")
    if facts.disk_free < DISK_FREE_MIN:
        free_mb, least_mb = facts.disk_free // 1024**2, DISK_FREE_MIN // 1024**2
        faults.append(f"{free_mb} MiB free for {facts.data_dir}, at least {least_mb} are needed: choose --data-dir")
    if not facts.port_is_free:
        faults.append(_port_fault(facts.port, facts.port_holder))
    if facts.actions_fault is not None:
        faults.append(f"--actions {facts.actions_file}: {facts.actions_fault}")
    return faults


def data_dir_faults(facts: Facts, asked: Asked) -> list[str]:
    """What keeps the asked-for deployment from running on this folder, each with what to do."""
    where = facts.data_dir
    if facts.is_foreign:
        return [f"{where} holds files that are no deployment of Shardboard: choose another --data-dir"]
    made = None if asked.fresh else facts.stored
    faults = _value_faults(asked, made)
    if made is None or faults:
        return faults
    if asked.partitions not in (None, made.partitions):
        faults.append(
            f"--partitions {asked.partitions}: {where} was made with {made.partitions}, and a user's partition depends "
            "on it: keep it, or start over with --fresh (which deletes all scores)"
        )
    if asked.periods is not None and PeriodCalendar(asked.periods).spec != made.periods:
        faults.append(
            f"SHARDBOARD_PERIODS = {asked.periods!r}: {where} was made with {made.periods!r}, and boards that were "
            "never counted cannot be shown: keep them, or start over with --fresh (which deletes all scores)"
        )
    return faults


def held_fault(data_dir: Path, pid: int | None) -> str:
    """Another `up` runs on this folder."""
    who = f"process {pid}" if pid is not None else "another process"
    return f"{who} already runs the deployment in {data_dir}: `shardboard down --data-dir {data_dir}` ends it"


def _value_faults(asked: Asked, made: Stored | None) -> list[str]:
    faults = []
    shards = asked.shards if asked.shards is not None else made.shards if made else SHARDS_DEFAULT
    partitions = asked.partitions if asked.partitions is not None else made.partitions if made else PARTITIONS_DEFAULT
    if not 1 <= shards <= SHARDS_MAX:
        faults.append(f"--shards {shards} must be from 1 to {SHARDS_MAX}")
    elif not shards <= partitions <= PARTITIONS_MAX:
        least = f"{shards} (each of --shards {shards} needs one)"
        faults.append(f"--partitions {partitions} must be from {least} to {PARTITIONS_MAX}")
    if asked.periods is not None:
        try:
            PeriodCalendar(asked.periods)
        except BadPeriod as error:
            faults.append(f"SHARDBOARD_PERIODS = {asked.periods!r}: {error}")
    return faults


def _port_fault(port: int, holder: PortHolder | None) -> str:
    who = f"by process {holder.pid} ({holder.command})" if holder else "by another program"
    return f"port {port} is taken {who}: choose another one, such as --port {port + 1 if port < 65535 else 8080}"
