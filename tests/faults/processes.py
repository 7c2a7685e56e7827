"""The processes of the harness's deployment: embedded servers and services, each under the harness's own hand.

`signal_now` never waits, so that a fault can be made between two pieces of a connection.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from contracts.clock import monotonic_s
from foundation.service import StopSignal
from shardboard.embedded.child import Child, log_tail, spawn
from shardboard.embedded.kafka import KafkaServer
from shardboard.embedded.server import ChildServer, StartFailed
from shardboard.http_health import Health, read_health
from tests.faults.steps import Target

ROOT: Final = Path(__file__).resolve().parents[2]
LOOPBACK: Final = "127.0.0.1"
AGAIN_S: Final = 0.3
"""Between the end of a service and its next start, as a supervisor would."""
DRAINED_WITHIN_S: Final = 12.0
HEALTH_S: Final = 1.0
START_TRIES: Final = 3


class OnEnd(Protocol):
    """Learns of ends: the exit code and the last lines of the log."""

    def __call__(self, name: str, code: int, *, tail: str) -> None: ...


class ServerProcess:
    """An embedded server."""

    def __init__(self, target: Target, server: ChildServer) -> None:
        self.name = server.name
        self.target = target
        self.server = server

    @property
    def pid(self) -> int | None:
        return self.server.pid

    async def start(self) -> None:
        """Return when it answers. A server whose old connections linger gets another try."""
        for left in reversed(range(START_TRIES)):
            try:
                return await self.server.start()
            except StartFailed:
                if not left:
                    raise
                await StopSignal().sleep(AGAIN_S)
        return None

    def signal_now(self, number: signal.Signals) -> None:
        """To the server and its children; an orderly end is asked of the server alone."""
        pid = self.server.pid
        if pid is None:
            return
        number = self.server.stop_signal if number is signal.SIGTERM else number
        for each in [pid] if number is self.server.stop_signal else _tree(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, number)

    async def gone(self) -> None:
        """Return when it has ended; kill it if it does not end by itself."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAINED_WITHIN_S):
                while self.server.is_running():
                    await StopSignal().sleep(0.02)
        await self.server.stop(grace_s=0)

    async def stop(self) -> None:
        """At the end of the run."""
        self.signal_now(signal.SIGCONT)
        await self.server.stop(grace_s=3)


class ServiceProcess:
    """One of our services. `keep` runs it again and again while it is allowed to run."""

    def __init__(
        self,
        name: str,
        target: Target,
        *,
        module: str,
        environment: Mapping[str, str],
        admin_port: int,
        log_file: Path,
        on_end: OnEnd,
    ) -> None:
        """`on_end` is called when it ends and nobody had asked for it."""
        self.name = name
        self.target = target
        self.admin_port = admin_port
        self.log_file = log_file
        self.lives = 0
        self._argv = [sys.executable, "-P", "-m", module]
        self._environment = {**environment, "PYTHONUNBUFFERED": "1"}
        self._on_end = on_end
        self._may_run = asyncio.Event()
        self._child: Child | None = None
        self._is_ending = False

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.is_running() else None

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await self._may_run.wait()
            self.lives += 1
            self._is_ending = False
            self._child = spawn(self._argv, log_file=self.log_file, env=self._environment, cwd=ROOT)
            code = await self._child.wait()
            if not (self._is_ending and code in (0, 4, -signal.SIGKILL, -signal.SIGTERM)):
                self._on_end(self.name, code, tail=log_tail(self.log_file, lines=6))
            await StopSignal().sleep(AGAIN_S)

    async def start(self) -> None:
        """Let it run; does not wait until it serves."""
        self._may_run.set()

    def signal_now(self, number: signal.Signals) -> None:
        """Both ends of its life keep it down until `start`."""
        if number in (signal.SIGKILL, signal.SIGTERM):
            self._may_run.clear()
            self._is_ending = True
        if self._child is not None:
            self._child.send_signal(number)

    async def gone(self) -> None:
        """Return when it has ended; kill it if it does not drain in time."""
        until_s = monotonic_s() + DRAINED_WITHIN_S
        while self.pid is not None:
            if monotonic_s() > until_s:
                self.signal_now(signal.SIGKILL)
            await StopSignal().sleep(0.02)

    async def stop(self) -> None:
        """At the end of the run."""
        self.signal_now(signal.SIGTERM)
        self.signal_now(signal.SIGCONT)
        await self.gone()

    async def health(self) -> Health | None:
        """What its internal port says; None when nobody answers."""
        return await asyncio.to_thread(read_health, LOOPBACK, self.admin_port, timeout_s=HEALTH_S)

    async def is_ready(self) -> bool:
        """Whether it serves."""
        health = await self.health()
        return health is not None and health.is_ready


Process = ServerProcess | ServiceProcess


class ProxiedKafka(KafkaServer):
    """A broker that tells its clients the address of a proxy."""

    def __init__(self, data_dir: Path, *, port: int, shown_port: int) -> None:
        super().__init__(data_dir, port=port, heap_mb=320)
        self._shown_port = shown_port

    def _write_config(self, file_name: str, *, log_dir: Path) -> Path:
        file = super()._write_config(file_name, log_dir=log_dir)
        key = "advertised.listeners=PLAINTEXT://"
        text = file.read_text()
        assert f"{key}{self.address}\n" in text
        file.write_text(text.replace(f"{key}{self.address}", f"{key}{LOOPBACK}:{self._shown_port}"))
        return file


def _tree(pid: int) -> list[int]:
    """A process and all below it. Postgres' workers are its children, in sessions of their own."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found
