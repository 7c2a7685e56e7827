"""What runs in a deployment on one machine, on which ports, and with which environment. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shardboard.data_dir import redis_name

LOOPBACK: Final = "127.0.0.1"
DRAIN_S: Final = 5
"""What services get to drain: with their overtime and the servers' own end it stays below the promised 10 s."""
_SECRET_FILE: Final = "SHARDBOARD_JWT_SECRET_FILE"  # noqa: S105
_PUBLIC_KEYS: Final = ("SHARDBOARD_JWT_JWKS", "SHARDBOARD_JWT_PUBLIC_KEY_FILE")
_SECRET_WORDS: Final = ("SECRET", "TOKEN", "PASSWORD")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked `up` for, defaults and stored values filled in."""

    shards: int
    partitions: int
    periods: str
    host: str
    port: int
    actions_file: Path
    demo: bool
    names: tuple[str, ...] = ()
    """Of the shards; empty: s1…sN."""

    @property
    def shard_ids(self) -> tuple[str, ...]:
        """Each has a Redis and a worker."""
        return self.names or tuple(f"s{number}" for number in range(1, self.shards + 1))

    @property
    def url(self) -> str:
        """Where the page is, for somebody on this machine."""
        host = LOOPBACK if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """One Python process."""

    name: str
    module: str
    environment: Mapping[str, str]
    address: str
    internal_port: int | None
    """Where its health is; None for a process without an internal port."""


def grown(names: Sequence[str], shards: int) -> tuple[str, ...]:
    """The shards' names with as many new ones as are missing. A name that a shard once had does not come back before
    all higher ones are gone: its folder may hold what that one left."""
    numbers = [int(name[1:]) for name in names if name[1:].isdecimal()]
    first = max(numbers, default=0) + 1
    return (*names, *(f"s{number}" for number in range(first, first + shards - len(names))))


def server_names(shard_ids: Sequence[str]) -> tuple[str, ...]:
    """The embedded servers; each has a port and a folder of this name."""
    return ("kafka", "postgres", "cache", *(redis_name(shard) for shard in shard_ids))


def internal_port_names(shard_ids: Sequence[str]) -> tuple[str, ...]:
    """The services that have an internal port."""
    return ("gateway", "merger", "archiver", "auditor", *(f"worker-{shard}" for shard in shard_ids))


def common_environment(
    wanted: Wanted, given: Mapping[str, str], *, ports: Mapping[str, int], postgres_url: str, secret_file: Path
) -> dict[str, str]:
    """The SHARDBOARD_ variables of every service: the user's own, without secrets, and those of this deployment."""
    own = {
        name: value
        for name, value in given.items()
        if name.startswith("SHARDBOARD_") and not (name.endswith(_SECRET_WORDS) or "_TEST_" in name)
    }
    return {
        **own,
        "SHARDBOARD_KAFKA": f"{LOOPBACK}:{ports['kafka']}",
        "SHARDBOARD_CACHE_URL": redis_url(ports["cache"]),
        "SHARDBOARD_SHARDS": ",".join(f"{shard}={redis_url(ports[redis_name(shard)])}" for shard in wanted.shard_ids),
        "SHARDBOARD_POSTGRES_URL": postgres_url,
        "SHARDBOARD_PERIODS": wanted.periods,
        "SHARDBOARD_ACTIONS_FILE": str(wanted.actions_file.absolute()),
        **_token_keys(given, secret_file),
        "SHARDBOARD_DRAIN_S": str(DRAIN_S),
        "SHARDBOARD_URL": wanted.url,
    }


def _token_keys(given: Mapping[str, str], secret_file: Path) -> dict[str, str]:
    """A secret of this deployment's own, unless the user names where the keys of tokens are."""
    if any(given.get(name) for name in _PUBLIC_KEYS):
        return {}
    return {_SECRET_FILE: given.get(_SECRET_FILE) or str(secret_file)}


def service_plans(wanted: Wanted, common: Mapping[str, str], *, ports: Mapping[str, int]) -> list[ServicePlan]:
    """The services of a deployment, in the order in which they are shown."""

    def plan(name: str, module: str, *, address: str = "", **more: str) -> ServicePlan:
        internal = f"{LOOPBACK}:{ports[name]}"
        own = {f"SHARDBOARD_{key}": value for key, value in more.items()}
        environment = {**common, "SHARDBOARD_ADMIN_LISTEN": internal, **own}
        return ServicePlan(name, module, environment, address or internal, ports[name])

    host = f"[{wanted.host}]" if ":" in wanted.host else wanted.host
    demo = {"DEMO": "1"} if wanted.demo else {}
    plans = [plan("gateway", "gateway", address=wanted.url, LISTEN=f"{host}:{wanted.port}", **demo)]
    plans += [plan(f"worker-{shard}", "shard_worker", SHARD=shard) for shard in wanted.shard_ids]
    plans.append(plan("merger", "merger"))
    plans.append(plan("archiver", "archiver", DB_UPGRADE="1"))
    plans.append(plan("auditor", "audit"))
    if wanted.demo and _SECRET_FILE in common:  # its users' tokens are made with it
        plans.append(ServicePlan("demo", "shardboard.demo", dict(common), wanted.url, None))
    return plans


def redis_url(port: int) -> str:
    """A Redis on this machine."""
    return f"redis://{LOOPBACK}:{port}/0"
