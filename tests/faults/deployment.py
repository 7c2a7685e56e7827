"""A whole deployment behind proxies: two gateways, two shards with a standby, two mergers, two archivers.

`begin` starts everything on the ports and data that the folder holds, `end` stops it; both may be called again, in
another process too.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from contracts.clock import monotonic_s
from contracts.counting import CountingRules
from foundation.kafka_topics import create_topics
from foundation.service import StopSignal
from foundation.settings import CommonSettings, load_common
from shardboard.data_dir import redis_name, write_whole
from shardboard.embedded.ports import free_ports
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.valkey import ValkeyServer
from shardboard.supervisor.plan import Wanted, common_environment
from tests.faults.processes import LOOPBACK, ROOT, Process, ProxiedKafka, ServerProcess, ServiceProcess
from tests.faults.proxy import Proxy
from tests.faults.steps import Target
from tests.faults.wire import HttpWire, KafkaWire, PostgresWire, RedisWire
from tests.faults.wiretap import Wiretap

SHARDS: Final = ("s1", "s2")
PARTITIONS: Final = 8
PERIODS: Final = "all_time,daily,weekly"
SECRET: Final = "the-fault-harness-needs-a-secret-of-32-bytes"
SERVERS: Final = {
    "kafka": Target.KAFKA,
    "postgres": Target.POSTGRES,
    "cache": Target.CACHE,
    **{redis_name(shard): Target.SHARD_REDIS for shard in SHARDS},
}
GATEWAYS: Final = ("gateway-1", "gateway-2")
WORKERS: Final = {"worker-s1-a": "s1", "worker-s1-b": "s1", "worker-s2-a": "s2"}
READY_S: Final = 90.0
_MODULES: Final = {
    Target.GATEWAY: "gateway",
    Target.WORKER: "shard_worker",
    Target.MERGER: "merger",
    Target.ARCHIVER: "archiver",
}
_SERVICES: Final = {
    **dict.fromkeys(GATEWAYS, Target.GATEWAY),
    **dict.fromkeys(WORKERS, Target.WORKER),
    "merger-1": Target.MERGER,
    "merger-2": Target.MERGER,
    "archiver-1": Target.ARCHIVER,
    "archiver-2": Target.ARCHIVER,
}
_WIRES: Final = {Target.KAFKA: KafkaWire, Target.POSTGRES: PostgresWire, Target.GATEWAY: HttpWire}


@dataclass(frozen=True, slots=True)
class Durations:
    """The deployment's durations, in ms: short, so that a run sees many windows."""

    rules: CountingRules = field(
        default_factory=lambda: CountingRules(
            window_ms=45_000,
            lateness_ms=60_000,
            back_ms=30_000,
            ahead_ms=1_000,
            delivery_timeout_ms=8_000,
            clock_skew_ms=500,
        )
    )
    lease_ms: int = 1_000
    produce_deadline_ms: int = 2_000

    def environment(self) -> dict[str, str]:
        """As the services read them."""
        rules = {f"SHARDBOARD_{name.upper()}": str(getattr(self.rules, name)) for name in self.rules.__slots__}
        return {
            **rules,
            "SHARDBOARD_LEASE_MS": str(self.lease_ms),
            "SHARDBOARD_PRODUCE_DEADLINE_MS": str(self.produce_deadline_ms),
        }


class Deployment:
    """Everything that runs."""

    def __init__(self, folder: Path, durations: Durations | None = None) -> None:
        self.folder = folder
        self.durations = durations or Durations()
        fault = self.durations.rules.fault()
        assert fault is None, fault
        self.ends: list[tuple[str, int, str]] = []
        """Services that ended and were not asked to: name, exit code, last lines of the log."""
        self._ports = _ports(folder)
        self.servers = self._make_servers()
        self.environment = self._environment()
        self.services = self._make_services()
        self.wiretap = Wiretap(lambda: {name: s.pid for name, s in self.services.items() if s.pid is not None})
        self.proxies = self._make_proxies()
        self.wiretap.proxies += self.proxies.values()
        self._keeping: list[asyncio.Task[None]] = []

    @property
    def common(self) -> CommonSettings:
        """What a service reads."""
        return load_common(self.environment)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The kinds of processes there are."""
        return tuple(Target)

    def processes(self, target: Target) -> list[Process]:
        """All processes of a kind."""
        every: list[Process] = [*self.servers.values(), *self.services.values()]
        return [process for process in every if process.target is target]

    def direct(self, name: str) -> str:
        """The address of a Redis or Postgres itself, for the harness's own reading."""
        return self.servers[name].server.address

    def proxy_url(self, gateway: str) -> str:
        """Where clients find a gateway."""
        return f"http://{LOOPBACK}:{self.proxies[gateway].port}"

    async def begin(self) -> None:
        """1. Proxies. 2. Servers. 3. Topics. 4. Services, until all are ready. Raises TimeoutError."""
        await asyncio.gather(*(proxy.start() for proxy in self.proxies.values()))
        await asyncio.gather(*(server.start() for server in self.servers.values()))
        await create_topics(self.common, partitions=PARTITIONS, replication=1)
        for service in self.services.values():
            self._keeping.append(asyncio.create_task(service.keep(), name=service.name))
            await service.start()
        await self.until_ready(within_s=READY_S)

    async def until_ready(self, *, within_s: float) -> None:
        """Return when every service is ready. Raises TimeoutError that names those that are not."""
        until_s, waiting = monotonic_s() + within_s, list(self.services.values())
        while waiting:
            states = await asyncio.gather(*(service.is_ready() for service in waiting))
            waiting = [service for service, is_ready in zip(waiting, states, strict=True) if not is_ready]
            if waiting and monotonic_s() > until_s:
                names = ", ".join(service.name for service in waiting)
                raise TimeoutError(f"not ready after {within_s:.0f} s: {names}; logs in {self.folder / 'logs'}")
            await StopSignal().sleep(0.1)

    async def active_workers(self) -> list[ServiceProcess]:
        """The workers that serve a shard now."""
        workers = [self.services[name] for name in WORKERS]
        found = await asyncio.gather(*(worker.health() for worker in workers))
        return [
            worker
            for worker, health in zip(workers, found, strict=True)
            if health is not None and health.detail.get("role") == "active"
        ]

    async def end(self) -> None:
        """Stop everything; the data stays."""
        await asyncio.gather(*(service.stop() for service in self.services.values()))
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self.servers.values()))
        for proxy in self.proxies.values():
            await proxy.close()

    def _make_servers(self) -> dict[str, ServerProcess]:
        ports, logs = self._ports, self.folder / "logs"
        kafka = ProxiedKafka(self.folder / "kafka", port=ports["kafka"], shown_port=ports["kafka-proxy"])
        postgres = PostgresServer(self.folder / "postgres", port=ports["postgres"])
        redis = [
            ValkeyServer(self.folder / n, port=ports[n], name=n) for n in SERVERS if n not in ("kafka", "postgres")
        ]
        servers = {server.name: ServerProcess(SERVERS[server.name], server) for server in (kafka, postgres, *redis)}
        for server in servers.values():
            server.server.log_file = logs / f"{server.name}.log"
        return servers

    def _environment(self) -> dict[str, str]:
        shown = {name: self._ports[f"{name}-proxy"] for name in SERVERS}
        wanted = Wanted(
            shards=len(SHARDS), partitions=PARTITIONS, periods=PERIODS, host=LOOPBACK,
            port=self._ports[f"{GATEWAYS[0]}-proxy"], actions_file=ROOT / "actions.toml", demo=False,
        )  # fmt: skip
        postgres = urlsplit(self.servers["postgres"].server.address)
        through = postgres._replace(netloc=f"{postgres.username}:{postgres.password}@{LOOPBACK}:{shown['postgres']}")
        secret = self.folder / "jwt-secret"
        write_whole(secret, SECRET.encode(), mode=0o600)
        common = common_environment(wanted, {}, ports=shown, postgres_url=through.geturl(), secret_file=secret)
        return {**common, **self.durations.environment(), "SHARDBOARD_DB_UPGRADE": "1"}

    def _make_services(self) -> dict[str, ServiceProcess]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SHARDBOARD_")}
        services = {}
        for name, target in _SERVICES.items():
            own = {"SHARDBOARD_ADMIN_LISTEN": f"{LOOPBACK}:{self._ports[f'{name}-admin']}"}
            if target is Target.GATEWAY:
                own["SHARDBOARD_LISTEN"] = f"{LOOPBACK}:{self._ports[name]}"
            if name in WORKERS:
                own["SHARDBOARD_SHARD"] = WORKERS[name]
            services[name] = ServiceProcess(
                name,
                target,
                module=_MODULES[target],
                environment={**outside, **self.environment, **own},
                admin_port=self._ports[f"{name}-admin"],
                log_file=self.folder / "logs" / f"{name}.log",
                on_end=self._on_end,
            )
        return services

    def _on_end(self, name: str, code: int, *, tail: str) -> None:
        self.ends.append((name, code, tail))

    def _make_proxies(self) -> dict[str, Proxy]:
        proxies = {}
        for name, target in {**SERVERS, **dict.fromkeys(GATEWAYS, Target.GATEWAY)}.items():
            kind = "cache" if target is Target.CACHE else "shard"
            wire: Callable[[], object] = _WIRES.get(target, partial(RedisWire, kind))
            proxies[name] = Proxy(
                name,
                port=self._ports[f"{name}-proxy"],
                upstream_port=self._ports[name],
                wire=wire,  # type: ignore[arg-type]
                tap=self.wiretap,
            )
        return proxies


def _ports(folder: Path) -> Mapping[str, int]:
    """One for each server, gateway and internal port, and one for each proxy; kept in the folder."""
    file = folder / "ports.json"
    if file.exists():
        return msgspec.json.decode(file.read_bytes(), type=dict[str, int])
    names = [*SERVERS, *GATEWAYS]
    names += [f"{name}-proxy" for name in names] + [f"{name}-admin" for name in _SERVICES]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(file, msgspec.json.encode(ports))
    return ports
