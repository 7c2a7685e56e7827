"""Runs a deployment on this machine from its first process to its last: the body of `shardboard up`."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, unquote, urlsplit

from contracts.clock import monotonic_s
from contracts.exit_codes import ExitCode
from foundation.service import Refused, StopSignal
from shardboard.cluster_map import read_map
from shardboard.command_error import CommandError
from shardboard.data_dir import DataDir, redis_name
from shardboard.deployment import RunFile, RunProcess, RunState, SupervisorProcess, started_ticks
from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.postgres import PostgresServer
from shardboard.embedded.server import EmbeddedServer
from shardboard.embedded.valkey import ValkeyServer
from shardboard.supervisor.keeper import Keeper
from shardboard.supervisor.life import State, start_verdict
from shardboard.supervisor.plan import Wanted, common_environment, service_plans
from shardboard.supervisor.screen import Screen
from shardboard.supervisor.shards_of_map import ShardsOfMap
from shardboard.supervisor.units import ServerUnit, ServiceUnit

SERVICES_START_S_MAX: Final = 90.0
"""Services answer within seconds; a replay of a day's log after a crash may take longer than that."""
SERVICE_TRIES: Final = 4
"""What a service that starts beside its like may miss is there after 1 + 2 + 4 s; what is still missing stays so."""
SERVICES_GRACE_S: Final = 6.5
"""Their drain of 5 s, 1 s of overtime, and the end of the interpreter."""
SERVERS_GRACE_S: Final = 3.0
"""With the services' grace below 10 s. A server that is killed loses nothing that it acknowledged: its log is on disk,
save a shard's last second, which is counted again from Kafka."""


OnReady = Callable[[Wanted, Mapping[str, str]], None]
"""Called with what runs and its environment."""


class Up:
    """One run of one deployment. The data folder is held and checked, the ports are chosen."""

    def __init__(
        self,
        folder: DataDir,
        wanted: Wanted,
        *,
        ports: Mapping[str, int],
        screen: Screen,
        environ: Mapping[str, str],
        shards: ShardsOfMap | None = None,
    ) -> None:
        self._shards = shards or ShardsOfMap()
        self._folder = folder
        self._wanted = wanted
        self._ports = ports
        self._screen = screen
        self._environ = environ
        self._servers: list[Keeper] = []
        self._services: list[Keeper] = []
        self._keeping: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._environment: dict[str, str] = {}
        self._state: RunState = "starting"
        pid = os.getpid()
        self._self = SupervisorProcess(pid, started_ticks(pid) or 0)

    async def run(self, stop: StopSignal, *, on_ready: OnReady) -> None:
        """Return when `stop` was set and everything is down. Raises CommandError when it cannot start.

        1. Servers. 2. Topics. 3. Services. 4. `on_ready`. 5. Keep all running. 6. Services down, then servers.
        Killed at any point, no process survives, and the next run continues with what the servers have on disk.
        """
        try:
            async with asyncio.TaskGroup() as group:
                work = group.create_task(self._start(group, on_ready), name="start")
                await stop.wait()
                for task in (work, *self._keeping):
                    task.cancel()
        except BaseExceptionGroup as error:
            raise _first(error) from error
        finally:
            await self._end()

    async def _start(self, group: asyncio.TaskGroup, on_ready: OnReady) -> None:
        self._screen.begin()
        try:
            # 1.
            servers = self._make_servers()
            self._environment = self._common_environment(servers)
            units = [ServerUnit(server, shown_address=_without_password(server.address)) for server in servers]
            self._servers = [Keeper(unit, self._on_change) for unit in units]
            await self._start_together(group, self._servers, tries=1, within_s=None)
            # 2.
            await self._make_topics()
            await self._leave_shards_out(servers)
            # 3.
            self._services = [Keeper(unit, self._on_change) for unit in self._make_services()]
            await self._start_together(group, self._services, tries=SERVICE_TRIES, within_s=SERVICES_START_S_MAX)
        finally:
            self._screen.end_start()
        # 4. In this order: whoever waits for `up` in run.json finds everything said.
        on_ready(self._wanted, self._environment)
        self._write_run("up")

    async def _start_together(
        self, group: asyncio.TaskGroup, keepers: Sequence[Keeper], *, tries: int, within_s: float | None
    ) -> None:
        for keeper in keepers:
            self._on_change(keeper)
            self._keeping.append(group.create_task(keeper.run(), name=keeper.unit.name))
        try:
            async with asyncio.timeout(within_s):
                lost = await self._verdict(keepers, tries=tries)
        except TimeoutError:
            slow = [keeper for keeper in keepers if keeper.life.state is not State.UP]
            lines = [
                f"{keeper.unit.name}: {keeper.life.reason or 'not ready'}; {keeper.unit.log_file}" for keeper in slow
            ]
            raise CommandError(ExitCode.STALLED, f"not ready after {within_s:.0f} s:\n" + "\n".join(lines)) from None
        if lost:
            failed = [keeper for keeper in keepers if keeper.unit.name in lost]
            refused = all(keeper.life.state is State.REFUSED for keeper in failed)
            reasons = [f"{k.unit.name}: {k.life.reason}; its log: {k.unit.log_file}" for k in failed]
            code = ExitCode.REFUSED if refused else ExitCode.FAILED
            raise CommandError(code, "could not start\n" + "\n".join(reasons))

    async def _verdict(self, keepers: Sequence[Keeper], *, tries: int) -> tuple[str, ...]:
        while True:
            self._changed.clear()
            verdict = start_verdict({keeper.unit.name: keeper.life for keeper in keepers}, tries=tries)
            if verdict is not None:
                return verdict
            await self._changed.wait()

    async def _make_topics(self) -> None:
        from foundation.kafka_topics import check_topic, create_topics
        from foundation.settings import load_common

        common, partitions = load_common(self._environment), self._wanted.partitions
        try:
            await create_topics(common, partitions=partitions, replication=1)
            await check_topic(common, common.actions_topic, partitions=partitions)
        except Refused as error:
            raise CommandError(ExitCode.REFUSED, str(error)) from error

    async def _leave_shards_out(self, servers: Sequence[EmbeddedServer]) -> None:
        """The Redis of a shard that a plan has taken out runs for this one more time, without a worker."""
        from foundation.settings import load_common

        stored = await read_map(load_common(self._environment))
        names = self._shards.left(self._wanted.shard_ids, stored)
        if names != self._wanted.shard_ids:
            gone = sorted(set(self._wanted.shard_ids) - set(names))
            self._screen.say(f"  {', '.join(gone)}: taken out by a plan, not started any more")
            self._wanted = replace(self._wanted, shards=len(names), names=names)
            self._environment = self._common_environment(servers)

    async def _end(self) -> None:
        """6."""
        self._screen.end_start()
        began_s = monotonic_s()
        self._write_run("stopping")
        await asyncio.gather(*(keeper.stop(grace_s=SERVICES_GRACE_S) for keeper in self._services))
        await asyncio.gather(*(keeper.stop(grace_s=SERVERS_GRACE_S) for keeper in self._servers))
        self._folder.run_file.unlink(missing_ok=True)
        self._screen.say(f"All down in {monotonic_s() - began_s:.1f} s. The data stays in {self._folder.path}.")

    def _make_servers(self) -> list[EmbeddedServer]:
        folder, ports = self._folder, self._ports

        def fetching(done: int, total: int) -> None:
            self._screen.note("kafka", f"fetching Kafka, once per user: {done} of {total} files")

        servers: list[EmbeddedServer] = [
            KafkaServer(folder.server_dir("kafka"), port=ports["kafka"], on_progress=fetching),
            PostgresServer(folder.server_dir("postgres"), port=ports["postgres"]),
        ]
        redis_names = ("cache", *(redis_name(shard) for shard in self._wanted.shard_ids))
        servers += [ValkeyServer(folder.server_dir(name), port=ports[name], name=name) for name in redis_names]
        for server in servers:
            server.log_file = folder.logs / f"{server.name}.log"
        return servers

    def _make_services(self) -> list[ServiceUnit]:
        return [
            ServiceUnit(
                plan,
                log_file=self._folder.logs / f"{plan.name}.log",
                cwd=self._folder.path,
                environ=self._environ,
            )
            for plan in service_plans(self._wanted, self._environment, ports=self._ports)
        ]

    def _common_environment(self, servers: Sequence[EmbeddedServer]) -> dict[str, str]:
        (postgres,) = (server for server in servers if server.name == "postgres")
        url = urlsplit(postgres.address)
        database = url.path.removeprefix("/")
        line = f"{url.hostname}:{url.port}:{database}:{url.username}:{unquote(url.password or '')}\n"
        passfile = self._folder.pgpass_file(line)
        return common_environment(
            self._wanted,
            self._environ,
            ports=self._ports,
            postgres_url=f"{_without_password(postgres.address)}?passfile={quote(str(passfile))}",
            secret_file=self._folder.jwt_secret_file(),
        )

    def _on_change(self, keeper: Keeper) -> None:
        self._changed.set()
        self._screen.changed(keeper)
        self._write_run(None)

    def _write_run(self, state: RunState | None) -> None:
        if state is not None:
            self._state = state
        run = RunFile(
            state=self._state,
            supervisor=self._self,
            url=self._wanted.url,
            environment=self._environment,
            processes=tuple(_run_process(keeper) for keeper in (*self._servers, *self._services)),
        )
        try:
            run.write(self._folder.run_file)
        except OSError as error:  # a full disk must not take down what still runs
            self._screen.say(f"{self._folder.run_file} could not be written: {error}")


def _run_process(keeper: Keeper) -> RunProcess:
    unit, life = keeper.unit, keeper.life
    return RunProcess(unit.name, unit.pid, unit.address, life.state.value, life.restarts, unit.internal)


def _without_password(address: str) -> str:
    url = urlsplit(address)
    if url.password is None:
        return address
    return url._replace(netloc=f"{url.username}@{url.hostname}:{url.port}").geturl()


def _first(error: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = error.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
