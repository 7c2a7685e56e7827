"""Every setting of every service in one list, for `shardboard config`. Each service's own reader is asked."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from archiver.settings import read_from as read_archiver
from audit.settings import read_from as read_auditor
from contracts.catalogue import BadCatalogue, parse_catalogue
from foundation.env import Env
from foundation.settings import read_common, read_tokens
from gateway.settings import read_from as read_gateway
from merger.settings import read_from as read_merger
from shard_worker.settings import read_from as read_worker

_WORKER: Final = "worker"
_PASSWORD_IN_URL: Final = re.compile(r"(://[^/@:\s,]*):[^/@\s,]+@")


def _read_commands(env: Env) -> None:
    """What the commands read that no service does."""
    read_common(env)
    read_tokens(env)
    env.text("URL", "http://127.0.0.1:8080", meaning="the gateway's address, for commands")
    env.secret("TOKEN", "", meaning="token that `shardboard replay` sends")


READERS: Final[Mapping[str, Callable[[Env], Any]]] = {
    "gateway": read_gateway,
    _WORKER: read_worker,
    "merger": read_merger,
    "auditor": read_auditor,
    "archiver": read_archiver,
    "commands": _read_commands,
}


@dataclass(frozen=True, slots=True)
class SettingShown:
    """One setting, as it may be shown."""

    name: str
    value: str
    is_default: bool
    meaning: str
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllSettings:
    """All settings, what is wrong with them, and variables that nothing reads."""

    settings: tuple[SettingShown, ...]
    faults: tuple[str, ...]
    unknown: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """As `docs/schemas/config-show.json` describes."""
        settings = [
            {
                "name": setting.name,
                "value": setting.value,
                "is_default": setting.is_default,
                "meaning": setting.meaning,
                "services": list(setting.services),
            }
            for setting in self.settings
        ]
        return {"settings": settings, "faults": list(self.faults), "unknown": list(self.unknown)}


def read_all(environ: Mapping[str, str]) -> AllSettings:
    """Let every service read its settings from `environ`; nothing is raised for what is wrong."""
    shown: dict[str, SettingShown] = {}
    faults: dict[str, None] = {}
    unknown: set[str] | None = None
    for service, read in READERS.items():
        env = Env(_with_a_shard(environ) if service == _WORKER else environ)
        read(env)
        faults.update(dict.fromkeys(env.faults))
        unknown = set(env.unknown()) if unknown is None else unknown & set(env.unknown())
        for setting in env.read.values():
            known = shown.get(setting.name)
            services = (*known.services, service) if known else (service,)
            shown[setting.name] = SettingShown(
                setting.name, _masked(setting.shown), setting.is_default, setting.meaning, services
            )
    catalogue = _catalogue_fault(shown["SHARDBOARD_ACTIONS_FILE"].value)
    if catalogue is not None:
        faults[catalogue] = None
    return AllSettings(tuple(shown[name] for name in sorted(shown)), tuple(faults), tuple(sorted(unknown or ())))


def _masked(value: str) -> str:
    """Without the passwords that URLs may hold."""
    return _PASSWORD_IN_URL.sub(r"\1:***@", value)


def _with_a_shard(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Each worker has a SHARDBOARD_SHARD of its own; where none is set, the first shard stands for all."""
    first = environ.get("SHARDBOARD_SHARDS", "s1=").partition("=")[0]
    return {"SHARDBOARD_SHARD": first, **environ}


def _catalogue_fault(path: str) -> str | None:
    try:
        parse_catalogue(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, BadCatalogue) as error:
        return f"SHARDBOARD_ACTIONS_FILE = {path!r}: {error}"
    return None
