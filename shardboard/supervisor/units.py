"""The two kinds of supervised process: an embedded server, and a service of ours in a Python process."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from shardboard.embedded.child import Child, log_tail, spawn
from shardboard.embedded.server import EmbeddedServer, StartFailed
from shardboard.http_health import read_health
from shardboard.supervisor.plan import LOOPBACK, ServicePlan
from shardboard.supervisor.reason import reason_in

READY_AGAIN_S: Final = 0.1
"""How often a starting service is asked: a tenth of a second is not noticed, and ten questions cost nothing."""


class UnitEnded(Exception):
    """The process ended before it served. `exit_code` is None when it is not known."""

    def __init__(self, reason: str, exit_code: int | None) -> None:
        super().__init__(reason)
        self.exit_code = exit_code


class Unit(Protocol):
    """A process that can be started again and again. `start` from the main thread only, which the child's life is
    tied to."""

    name: str
    address: str
    internal: str | None
    log_file: Path

    @property
    def pid(self) -> int | None:
        """None unless it runs."""

    async def start(self) -> None:
        """Return when it serves. Raises UnitEnded. Cancelled, it leaves the process to `stop`."""

    async def ended(self) -> UnitEnded:
        """Return when the process is gone."""

    async def stop(self, *, grace_s: float) -> None:
        """End it; kill it after `grace_s`. May be called again."""


class ServerUnit:
    """An embedded server."""

    def __init__(self, server: EmbeddedServer, *, shown_address: str) -> None:
        """`shown_address` holds no password."""
        self._server = server
        self.name = server.name
        self.address = shown_address
        self.internal: str | None = None
        self.log_file = server.log_file

    @property
    def pid(self) -> int | None:
        return self._server.pid

    async def start(self) -> None:
        try:
            await self._server.start()
        except StartFailed as error:
            raise UnitEnded(str(error), None) from error

    async def ended(self) -> UnitEnded:
        pid = self._server.pid
        if pid is not None:
            await _until_gone(pid)
        return UnitEnded(f"it ended; its log is {self.log_file}", None)

    async def stop(self, *, grace_s: float) -> None:
        await self._server.stop(grace_s=grace_s)


class ServiceUnit:
    """One of our services, `python -m MODULE`."""

    def __init__(self, plan: ServicePlan, *, log_file: Path, cwd: Path, environ: Mapping[str, str]) -> None:
        """`environ` is the environment of `up`; the plan's SHARDBOARD_ variables replace all that it has."""
        self.name = plan.name
        self.address = plan.address
        self.internal = None if plan.internal_port is None else f"{LOOPBACK}:{plan.internal_port}"
        self.log_file = log_file
        self._port = plan.internal_port
        # -P: a folder of the same name where `up` was typed must not be run instead.
        self._argv = [sys.executable, "-P", "-m", plan.module]
        self._cwd = cwd
        others = {name: value for name, value in environ.items() if not name.startswith("SHARDBOARD_")}
        self._environment = {**others, **plan.environment, "PYTHONUNBUFFERED": "1"}
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.is_running() else None

    async def start(self) -> None:
        child = spawn(self._argv, log_file=self.log_file, env=self._environment, cwd=self._cwd)
        self._child = child
        while self._port is not None:
            if not child.is_running():
                raise self._ended(child)
            health = await asyncio.to_thread(read_health, LOOPBACK, self._port)
            if health is not None and health.is_ready and child.is_running():
                return
            await asyncio.sleep(READY_AGAIN_S)

    async def ended(self) -> UnitEnded:
        assert self._child is not None
        await self._child.wait()
        return self._ended(self._child)

    async def stop(self, *, grace_s: float) -> None:
        if self._child is not None:
            await self._child.stop(grace_s=grace_s)

    def _ended(self, child: Child) -> UnitEnded:
        reason = reason_in(log_tail(self.log_file))
        how = f"exit code {child.exit_code}" if (child.exit_code or 0) >= 0 else f"signal {-(child.exit_code or 0)}"
        return UnitEnded(f"{how}: {reason}" if reason else how, child.exit_code)


async def _until_gone(pid: int) -> None:
    """Watch a child process of ours through a pidfd, which also tells of one that was reaped meanwhile."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    loop.add_reader(fd, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
